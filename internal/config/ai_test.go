package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/identity"
)

func TestAI(t *testing.T) {
	t.Parallel()
	openai := config.AIEndpoint{Name: "openai", Kind: config.AIOpenAI, BaseURL: "https://api.openai.com/v1", Key: "sk-1"}
	for _, test := range []struct {
		name    string
		environ []string
		want    config.AI
		vendor  string // of the standard endpoint
	}{
		{"nothing", nil, config.AI{}, ""},
		{"the placeholder is no key", []string{"OPENAI_API_KEY=sk-your-key-here"}, config.AI{}, ""},
		{"a key", []string{"OPENAI_API_KEY=sk-1"}, config.AI{Standard: &openai}, "openai"},
		{"a server of one's own", []string{"OPENAI_BASE_URL=http://localhost:11434/v1"},
			config.AI{Standard: &config.AIEndpoint{Name: "openai", Kind: config.AIOpenAI, BaseURL: "http://localhost:11434/v1"}}, ""},
		{"several", []string{"OPENAI_API_KEY=sk-1", "ANTHROPIC_API_KEY=sk-2", "GROQ_KEY=sk-3",
			"AI_PROVIDERS=groq=openai|https://api.groq.com/openai/v1/|GROQ_KEY, local.1=openai|http://127.0.0.1:8080/v1||free,eu=anthropic|https://eu.example.com"},
			config.AI{Standard: &openai, Named: []config.AIEndpoint{
				{Name: "anthropic", Kind: config.AIAnthropic, BaseURL: "https://api.anthropic.com", Key: "sk-2"},
				{Name: "groq", Kind: config.AIOpenAI, BaseURL: "https://api.groq.com/openai/v1", Key: "sk-3"},
				{Name: "local.1", Kind: config.AIOpenAI, BaseURL: "http://127.0.0.1:8080/v1", Free: true},
				{Name: "eu", Kind: config.AIAnthropic, BaseURL: "https://eu.example.com"},
			}}, "openai"},
	} {
		cfg, _ := load(t, test.environ...)
		if diff := cmp.Diff(test.want, cfg.AI); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if e := cfg.AI.Standard; e != nil && e.Vendor() != test.vendor {
			t.Errorf("%s: vendor %q, want %q", test.name, e.Vendor(), test.vendor)
		}
	}
}

// The key of a provider may stand in the .env file, too.
func TestKeyOfAProviderFromTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(path, []byte("GROQ_KEY=sk-3\nAI_PROVIDERS=groq=openai|https://g.example.com|GROQ_KEY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(withBasics(t, nil), path)
	if err != nil || len(cfg.AI.Named) != 1 || cfg.AI.Named[0].Key.Reveal() != "sk-3" {
		t.Errorf("AI = %v, %v", cfg.AI, err)
	}
}

func TestBudgetSettings(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		environ        []string
		daily, monthly map[identity.Role]int64
	}{
		{nil, map[identity.Role]int64{"user": 1e9}, nil},
		{[]string{"AI_BUDGET_DAILY_USD="}, nil, nil},
		{[]string{"AI_BUDGET_DAILY_USD= user=0.5, admin=0", "AI_BUDGET_MONTHLY_USD=editor=20"},
			map[identity.Role]int64{"user": 5e8, "admin": 0}, map[identity.Role]int64{"editor": 20e9}},
	} {
		cfg, _ := load(t, test.environ...)
		if diff := cmp.Diff(test.daily, cfg.AIBudgetDaily.Nanos); diff != "" {
			t.Errorf("%q daily:\n%s", test.environ, diff)
		}
		if diff := cmp.Diff(test.monthly, cfg.AIBudgetMonthly.Nanos); diff != "" {
			t.Errorf("%q monthly:\n%s", test.environ, diff)
		}
	}
}

func TestProblemsOfAI(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"AI_PROVIDERS=ollama", "AI_PROVIDERS=ollama=openai", "AI_PROVIDERS=Ollama=openai|http://x", "AI_PROVIDERS=a/b=openai|http://x",
		"AI_PROVIDERS=o=gemini|http://x", "AI_PROVIDERS=o=openai|x", "AI_PROVIDERS=o=openai|http://x||cheap", "AI_PROVIDERS=o=openai|http://x||free|more",
		"AI_PROVIDERS=o=openai|http://x|NOT_SET", "AI_PROVIDERS=demo=openai|http://x", "AI_PROVIDERS=o=openai|http://x,o=openai|http://y",
		"AI_BUDGET_DAILY_USD=1", "AI_BUDGET_DAILY_USD=root=1", "AI_BUDGET_DAILY_USD=user=-1", "AI_BUDGET_DAILY_USD=user=1,user=2", "AI_BUDGET_MONTHLY_USD=user=1e9",
		"AI_TIMEOUT=1h",
	} {
		if texts := problemsOf(t, setting); len(texts) != 1 {
			t.Errorf("%s: %q", setting, texts)
		}
	}
	if texts := problemsOf(t, "ANTHROPIC_API_KEY=sk-2", "AI_PROVIDERS=anthropic=openai|http://x"); len(texts) != 1 {
		t.Errorf("anthropic twice: %q", texts)
	}
}
