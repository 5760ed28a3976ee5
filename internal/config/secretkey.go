package config

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// keyFile is the name of the generated key under DATA_DIR.
const keyFile = "secret_key"

// maxKeyBytes bounds what is read as a key.
const maxKeyBytes = 4096

// secretKey fills SecretKey from DATA_DIR when none was given.
func (l *loader) secretKey() {
	c := &l.cfg
	if c.SecretKey != "" {
		return
	}
	file := filepath.Join(c.DataDir, keyFile)
	key, open, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = MakeSecretFile(file); err == nil {
			key, open, err = readKey(file)
		}
	}
	if err != nil {
		l.problem("SECRET_KEY", "the secret key in %s cannot be used (%v): make DATA_DIR (%s) a folder that bdash may write to, or set SECRET_KEY.", file, err, c.DataDir)
		return
	}
	if open {
		l.warn("SECRET_KEY", "%s can be read by other users of this machine, who could sign in as anybody: run `chmod 600 %s`.", file, file)
	}
	c.SecretKey = Secret(key)
	l.judgeKey("SECRET_KEY", c.SecretKey)
	c.shown["SECRET_KEY"] = given{c.SecretKey.String(), file}
}

// readKey reads the key, and tells whether users other than the owner can.
func readKey(file string) (key string, open bool, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", false, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxKeyBytes {
		return "", false, errors.New("it is not a file with one key")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", false, err
	}
	key = strings.TrimSpace(string(raw))
	if key == "" {
		return "", false, errors.New("the file is empty; remove it to have a new key made")
	}
	// Windows reports made-up permission bits.
	return key, runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0, nil
}

// MakeSecretFile writes a new random secret of 64 characters to file, readable
// by its owner only, unless there is one; made tells. The secret is complete
// before it gets the name, and the name is given only if nobody has it: of
// several processes that start at once, one wins and the others find its secret.
func MakeSecretFile(file string) (made bool, err error) {
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	random := make([]byte, 48)
	rand.Read(random) // never fails: crypto/rand ends the process instead
	secret := base64.RawURLEncoding.EncodeToString(random) + "\n"

	tmp, err := os.CreateTemp(dir, filepath.Base(file)+".*.tmp") // created with 0600
	if err != nil {
		return false, err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(secret)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err != nil {
		return false, fmt.Errorf("write %s: %w", tmp.Name(), err)
	}
	err = os.Link(tmp.Name(), file)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err == nil, nil
	}
	// Some network and removable file systems have no hard links. Creating
	// the name exclusively still lets one process win; another that starts in
	// the same instant may find the file empty, and says so.
	return createKey(file, secret)
}

func createKey(file, key string) (made bool, err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(key)
	return true, errors.Join(err, f.Sync(), f.Close())
}
