package oracle

import (
	"encoding/json"
	"fmt"
)

// Crypto holds password hashes and tokens made by Django, right and wrong ones, with the key that signed the tokens.
type Crypto struct {
	SecretKey string        `json:"secret_key"`
	Hashes    []CryptoHash  `json:"hashes"`
	Tokens    []CryptoToken `json:"tokens"`
}

// CryptoHash is one encoded password. Valid says whether Password must be accepted for Encoded.
type CryptoHash struct {
	Kind     string `json:"kind"`
	Password string `json:"password"`
	Encoded  string `json:"encoded"`
	Valid    bool   `json:"valid"`
	Note     string `json:"note"`
}

// CryptoToken is one JSON web token. ValidAs is "access" or "refresh", the same followed by " until exp", or "nothing".
type CryptoToken struct {
	Name    string         `json:"name"`
	Token   string         `json:"token"`
	Claims  map[string]any `json:"claims"` // numbers are float64
	ValidAs string         `json:"valid_as"`
	Note    string         `json:"note"`
}

// LoadCrypto returns the recorded hashes and tokens.
func LoadCrypto() (Crypto, error) {
	text, err := testdata.ReadFile("testdata/crypto.json")
	if err != nil {
		return Crypto{}, fmt.Errorf("read recorded hashes and tokens: %w", err)
	}
	var c Crypto
	if err := json.Unmarshal(text, &c); err != nil {
		return Crypto{}, fmt.Errorf("read recorded hashes and tokens: %w", err)
	}
	return c, nil
}
