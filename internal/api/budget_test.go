package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bdash/bdash/internal/app/apptest"
	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
)

func TestBudgetsAndUsage(t *testing.T) {
	t.Parallel()
	apptest.Each(t, apptest.Options{Env: []string{"AI_BUDGET_MONTHLY_USD=user=20"}}, func(t *testing.T, s *apptest.Server) {
		alice, root := s.AddUser(t, "alice@example.com", identity.User), s.AddUser(t, "root@example.com", identity.Admin)
		token, admin := s.Login(t, alice.Email).Access, s.Login(t, root.Email).Access
		own := fmt.Sprintf("/api/ai/budgets/%d/", alice.ID)
		budgetIs := func(token, path, daily, limit, remaining string) {
			t.Helper()
			want := fmt.Sprintf(`{"user":%d,"role":"user","daily_usd":%s,"monthly_usd":null,"unlimited":false,"daily_limit_usd":%s,"monthly_limit_usd":"20.00",`+
				`"spent_today_usd":"0.00005","spent_this_month_usd":"0.00005","reserved_usd":"0.00","remaining_usd":%s}`, alice.ID, daily, limit, remaining)
			if a := s.Expect(t, http.StatusOK, token, http.MethodGet, path, ""); string(a.Body) != want {
				t.Errorf("GET %s = %s, want %s", path, a.Body, want)
			}
		}
		r, err := s.App.API.Budgets.Reserve(t.Context(), budget.Call{
			Actor: identity.Actor{UserID: alice.ID, Role: identity.User}, AgentID: 7, Model: "gpt-4o", InputEstimate: 100, MaxTokens: 10,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.App.API.Budgets.Settle(t.Context(), r, llm.Usage{Input: 12, Output: 2}); err != nil {
			t.Fatal(err)
		}
		budgetIs(token, "/api/ai/budgets/", "null", `"1.00"`, `"0.99995"`)
		s.Expect(t, http.StatusForbidden, token, http.MethodPut, own, `{"daily_usd":"100"}`)
		s.Expect(t, http.StatusOK, admin, http.MethodPut, own, `{"daily_usd":"0.5"}`)
		budgetIs(token, own, `"0.50"`, `"0.50"`, `"0.49995"`)
		for _, bad := range []string{`{"daily_usd":"-1"}`, `{"daily_usd":"x"}`, `{"monthly_usd":"1e5"}`, `{"unlimited":"maybe"}`} {
			s.Expect(t, http.StatusBadRequest, admin, http.MethodPut, own, bad)
		}
		s.Expect(t, http.StatusNotFound, admin, http.MethodPut, "/api/ai/budgets/987654/", `{}`)
		s.Expect(t, http.StatusNoContent, admin, http.MethodDelete, own, "")
		budgetIs(admin, own, "null", `"1.00"`, `"0.99995"`)

		a := s.Expect(t, http.StatusOK, admin, http.MethodGet, fmt.Sprintf("/api/ai/usage/?user=%d", alice.ID), "")
		for _, part := range []string{
			`"total":{"calls":1,"input_tokens":12,"cached_tokens":0,"output_tokens":2,"reasoning_tokens":0,"estimated_calls":0,"unpriced_calls":0,"cost_usd":"0.00005"}`,
			`"by_agent":[{"agent":7,"calls":1,`, `"by_model":[{"model":"gpt-4o","calls":1,`, `"by_day":[{"day":"20`,
		} {
			if !strings.Contains(string(a.Body), part) {
				t.Errorf("usage %s lacks %s", a.Body, part)
			}
		}
		s.Expect(t, http.StatusNotFound, token, http.MethodGet, fmt.Sprintf("/api/ai/usage/?user=%d", root.ID), "")
		for _, query := range []string{"from=yesterday", "user=me", "from=2026-02-01&to=2026-01-01", "from=2020-01-01&to=2026-01-01"} {
			s.Expect(t, http.StatusBadRequest, token, http.MethodGet, "/api/ai/usage/?"+query, "")
		}
	})
}

func TestModelsWithoutAKey(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{})
	token := s.Login(t, s.AddUser(t, "alice@example.com", identity.User).Email).Access
	want := `[{"id":"demo","provider":"demo","context_size":32000,"max_output":4096,"input_usd":"0.00","cached_input_usd":"0.00","output_usd":"0.00"}]`
	if a := s.Expect(t, http.StatusOK, token, http.MethodGet, "/api/ai/models/", ""); string(a.Body) != want {
		t.Errorf("models %s, want %s", a.Body, want)
	}
}

func TestModelsOfProviders(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, apptest.Options{Env: []string{"OPENAI_API_KEY=sk-1", "ANTHROPIC_API_KEY=sk-2", "AI_FALLBACK_MODEL=anthropic/claude-haiku-4-5"}})
	token := s.Login(t, s.AddUser(t, "alice@example.com", identity.User).Email).Access
	a := s.Expect(t, http.StatusOK, token, http.MethodGet, "/api/ai/models/", "")
	for _, part := range []string{
		`{"id":"gpt-4o","provider":"openai","context_size":128000,"max_output":16384,"input_usd":"2.50","cached_input_usd":"1.25","output_usd":"10.00"}`,
		`"id":"anthropic/claude-haiku-4-5","provider":"anthropic"`, `"id":"demo"`,
	} {
		if !strings.Contains(string(a.Body), part) {
			t.Errorf("models %s lack %s", a.Body, part)
		}
	}
}
