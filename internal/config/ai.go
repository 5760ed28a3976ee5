package config

import (
	"slices"
	"strings"

	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm/price"
)

// samplePlaceholder is what the guide's .env holds in place of a key.
const samplePlaceholder = "sk-your-key-here"

// AIKind is the protocol of an endpoint for models.
type AIKind string

// The protocols.
const (
	AIOpenAI    AIKind = "openai"
	AIAnthropic AIKind = "anthropic"
)

// AIProvider is one item of AI_PROVIDERS: name=kind|base_url|key_variable|free,
// the last two of which may be left out or empty.
type AIProvider struct {
	Name    string
	Kind    AIKind
	BaseURL WebURL
	// KeyName is the environment variable with the key; "" for none.
	KeyName string
	// Free: its models cost nothing.
	Free bool
}

// UnmarshalText reads one item.
func (p *AIProvider) UnmarshalText(text []byte) error {
	name, rest, ok := strings.Cut(strings.TrimSpace(string(text)), "=")
	parts := strings.Split(rest, "|")
	if !ok || len(parts) < 2 || len(parts) > 4 || !goodProviderName(name) {
		return errWant
	}
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	parts = append(parts, "", "")[:4]
	v := AIProvider{Name: name, Kind: AIKind(strings.ToLower(parts[0])), KeyName: parts[2], Free: parts[3] == "free"}
	if v.Kind != AIOpenAI && v.Kind != AIAnthropic || v.BaseURL.UnmarshalText([]byte(parts[1])) != nil ||
		(parts[3] != "" && !v.Free) || strings.ContainsAny(v.KeyName, "= ") {
		return errWant
	}
	*p = v
	return nil
}

// goodProviderName: it becomes the first part of a model's name.
func goodProviderName(s string) bool {
	return s != "" && len(s) <= 30 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == ""
}

// RoleAmounts are US dollars by role, in nanos (billionths).
type RoleAmounts struct{ Nanos map[identity.Role]int64 }

// UnmarshalText reads user=1,editor=5.50.
func (r *RoleAmounts) UnmarshalText(text []byte) error {
	v := map[identity.Role]int64{}
	for item := range strings.SplitSeq(string(text), ",") {
		name, amount, ok := strings.Cut(strings.TrimSpace(item), "=")
		role := identity.Role(strings.TrimSpace(name))
		nanos, err := price.ParseUSD(strings.TrimSpace(amount))
		if _, twice := v[role]; !ok || err != nil || twice || !role.Valid() {
			return errWant
		}
		v[role] = nanos
	}
	r.Nanos = v
	return nil
}

// AIEndpoint is one endpoint for models, ready to use.
type AIEndpoint struct {
	Name    string
	Kind    AIKind
	BaseURL WebURL
	Key     Secret
	Free    bool
}

// AI is who answers agents.
type AI struct {
	// Standard answers models without a provider's prefix; nil: nobody does.
	Standard *AIEndpoint
	// Named answer models with their name as the prefix.
	Named []AIEndpoint
}

// Official addresses, at which nobody answers without a key.
const (
	officialOpenAI    = "https://api.openai.com/v1"
	officialAnthropic = "https://api.anthropic.com"
)

// Vendor is whose models the endpoint offers: "openai" and "anthropic" at their
// own addresses, "" elsewhere.
func (e AIEndpoint) Vendor() string {
	switch string(e.BaseURL) {
	case officialOpenAI:
		return "openai"
	case officialAnthropic:
		return "anthropic"
	}
	return ""
}

// checkAI works out AI, and speaks of keys that look set but do nothing.
func (l *loader) checkAI() {
	c := &l.cfg
	key := c.OpenAIKey
	if key == samplePlaceholder {
		key = ""
		l.warn("OPENAI_API_KEY", "OPENAI_API_KEY is the guide's placeholder: it is taken as no key.")
	}
	if c.LangChainKey != "" {
		l.warn("LANGCHAIN_API_KEY", "LANGCHAIN_API_KEY is ignored: bdash uses no LangChain.")
	}
	// A server of one's own may want no key.
	if key != "" || string(c.OpenAIBaseURL) != officialOpenAI {
		c.AI.Standard = &AIEndpoint{Name: "openai", Kind: AIOpenAI, BaseURL: c.OpenAIBaseURL, Key: key}
	}
	if c.AnthropicKey != "" {
		c.AI.Named = append(c.AI.Named, AIEndpoint{Name: "anthropic", Kind: AIAnthropic, BaseURL: c.AnthropicBaseURL, Key: c.AnthropicKey})
	}
	if l.broken("AI_PROVIDERS") {
		return
	}
	for _, p := range c.AIProviders {
		e := AIEndpoint{Name: p.Name, Kind: p.Kind, BaseURL: p.BaseURL, Free: p.Free}
		if p.KeyName != "" {
			if e.Key = Secret(l.lookup(p.KeyName)); e.Key == "" {
				l.problem("AI_PROVIDERS", "AI_PROVIDERS takes the key of %s from %s, which is not set: set it, or leave it out for an endpoint without a key.", p.Name, p.KeyName)
			}
		}
		switch {
		case p.Name == "demo":
			l.problem("AI_PROVIDERS", "AI_PROVIDERS names a provider demo, which is the name of the offline model: choose another.")
		case slices.ContainsFunc(c.AI.Named, func(o AIEndpoint) bool { return o.Name == p.Name }):
			l.problem("AI_PROVIDERS", "AI_PROVIDERS names %s, which is there already (ANTHROPIC_API_KEY makes anthropic): choose another name.", p.Name)
		}
		c.AI.Named = append(c.AI.Named, e)
	}
}
