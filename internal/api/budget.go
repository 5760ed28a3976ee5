package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/drf"
	"github.com/bdash/bdash/internal/llm/models"
	"github.com/bdash/bdash/internal/llm/price"
)

var modelFields = declareModel()

func declareModel() *drf.Serializer[models.Info, struct{}] {
	s := drf.NewSerializer[models.Info, struct{}]("Model")
	s.Char("id", drf.Opt{Help: "What an agent's model is set to.", Example: `"gpt-4o"`}, func(m *models.Info) string { return m.Model }, nil)
	s.Char("provider", drf.Opt{Example: `"openai"`}, func(m *models.Info) string { return m.Provider }, nil)
	s.IntOrNull("context_size", drf.Opt{Help: "Tokens that fit, question and answer together; null if unknown.", Example: "128000"},
		func(m *models.Info) *int64 { return known(m.Entry.Context) })
	s.IntOrNull("max_output", drf.Opt{Help: "The longest answer in tokens; null if unknown.", Example: "16384"},
		func(m *models.Info) *int64 { return known(m.Entry.MaxOutput) })
	for _, p := range []struct {
		name, example string
		nanos         func(*price.Entry) int64
	}{
		{"input_usd", `"2.50"`, func(e *price.Entry) int64 { return e.Input }},
		{"cached_input_usd", `"1.25"`, func(e *price.Entry) int64 { return e.Cached }},
		{"output_usd", `"10.00"`, func(e *price.Entry) int64 { return e.Output }},
	} {
		s.CharOrNull(p.name, drf.Opt{Help: "US dollars per million tokens; null if the price is not known.", Example: p.example}, func(m *models.Info) *string {
			if !m.Priced {
				return nil
			}
			usd := price.FormatUSD(p.nanos(&m.Entry))
			return &usd
		}, nil)
	}
	return s
}

func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func (s *Server) retrieveModels(w http.ResponseWriter, r *drf.Request) error {
	return respondList(w, r, modelFields, s.Models.List())
}

// usageSums are what a sum is of, and its key.
var usageSums = map[string]*drf.Serializer[budget.Sum, struct{}]{
	"total": declareSum("UsageTotal", nil),
	"day": declareSum("UsageByDay", func(s *drf.Serializer[budget.Sum, struct{}]) {
		s.Char("day", drf.Opt{Help: "In UTC.", Example: `"2026-01-31"`}, func(u *budget.Sum) string { return u.Day }, nil)
	}),
	"agent": declareSum("UsageByAgent", func(s *drf.Serializer[budget.Sum, struct{}]) {
		s.Int("agent", drf.Opt{Help: "The agent's id, also of one that was deleted; 0 is none."}, 0, 0, func(u *budget.Sum) int64 { return u.AgentID }, nil)
	}),
	"model": declareSum("UsageByModel", func(s *drf.Serializer[budget.Sum, struct{}]) {
		s.Char("model", drf.Opt{Example: `"gpt-4o"`}, func(u *budget.Sum) string { return u.Model }, nil)
	}),
}

func declareSum(name string, key func(*drf.Serializer[budget.Sum, struct{}])) *drf.Serializer[budget.Sum, struct{}] {
	s := drf.NewSerializer[budget.Sum, struct{}](name)
	if key != nil {
		key(s)
	}
	for _, n := range []struct {
		name, help string
		get        func(*budget.Sum) int64
	}{
		{"calls", "Calls of a model; an answer with tools takes several.", func(u *budget.Sum) int64 { return u.Calls }},
		{"input_tokens", "", func(u *budget.Sum) int64 { return u.Input }},
		{"cached_tokens", "Part of the input that the provider had kept.", func(u *budget.Sum) int64 { return u.Cached }},
		{"output_tokens", "", func(u *budget.Sum) int64 { return u.Output }},
		{"reasoning_tokens", "Part of the output.", func(u *budget.Sum) int64 { return u.Reasoning }},
		{"estimated_calls", "Calls whose tokens the provider did not count.", func(u *budget.Sum) int64 { return u.EstimatedCalls }},
		{"unpriced_calls", "Calls that are not in the cost, because nobody knows the price.", func(u *budget.Sum) int64 { return u.UnpricedCalls }},
	} {
		s.Int(n.name, drf.Opt{Help: n.help}, 0, 0, n.get, nil)
	}
	s.Char("cost_usd", drf.Opt{Example: `"0.0125"`}, func(u *budget.Sum) string { return price.FormatUSD(u.Cost) }, nil)
	return s
}

var usageShape = drf.Shape("Usage",
	drf.FieldInfo{Name: "user", Type: "integer"},
	drf.FieldInfo{Name: "from", Opt: drf.Opt{Help: "The first day, in UTC.", Example: `"2026-01-02"`}},
	drf.FieldInfo{Name: "to", Opt: drf.Opt{Help: "The last day.", Example: `"2026-01-31"`}},
	drf.FieldInfo{Name: "total", Opt: drf.Opt{Of: usageSums["total"]}},
	drf.FieldInfo{Name: "by_day", Opt: drf.Opt{Of: usageSums["day"], Many: true}},
	drf.FieldInfo{Name: "by_agent", Opt: drf.Opt{Of: usageSums["agent"], Many: true}},
	drf.FieldInfo{Name: "by_model", Opt: drf.Opt{Of: usageSums["model"], Many: true}})

var usageParams = []drf.Param{
	{Name: "from", Text: "The first day in UTC, such as 2026-01-02; 30 days before the last one when left out."},
	{Name: "to", Text: "The last day; today when left out."},
	{Name: "user", Integer: true, Text: "Whose usage; for administrators, otherwise the own."},
}

// getUsage answers what a user spent on models.
func (s *Server) getUsage(w http.ResponseWriter, r *drf.Request) error {
	req := budget.UsageRequest{UserID: actor(r).UserID}
	faults := &drf.FieldErrors{}
	for _, p := range []struct {
		name string
		to   *time.Time
	}{{"from", &req.First}, {"to", &req.Last}} {
		if text, ok := r.Query().Last(p.name); ok && text != "" {
			day, err := time.Parse(time.DateOnly, text)
			if err != nil || day.Year() < 1 {
				faults.Add(p.name, "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")
			}
			*p.to = day
		}
	}
	if text, ok := r.Query().Last("user"); ok && text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			faults.Add("user", "A valid integer is required.")
		}
		req.UserID = id
	}
	if !faults.Empty() {
		return faults
	}
	u, err := s.Budgets.Usage(r.Context(), actor(r), req)
	if err != nil {
		return err
	}
	return r.Respond(w, http.StatusOK, func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `{"user":`...), u.UserID, 10)
		dst = drf.AppendString(append(dst, `,"from":`...), u.First.Format(time.DateOnly))
		dst = drf.AppendString(append(dst, `,"to":`...), u.Last.Format(time.DateOnly))
		dst = usageSums["total"].Append(append(dst, `,"total":`...), &u.Total)
		dst = appendSums(append(dst, `,"by_day":`...), "day", u.ByDay)
		dst = appendSums(append(dst, `,"by_agent":`...), "agent", u.ByAgent)
		dst = appendSums(append(dst, `,"by_model":`...), "model", u.ByModel)
		return append(dst, '}')
	})
}

func appendSums(dst []byte, of string, sums []budget.Sum) []byte {
	dst = append(dst, '[')
	for i := range sums {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = usageSums[of].Append(dst, &sums[i])
	}
	return append(dst, ']')
}

// budgetDraft is what an administrator writes.
type budgetDraft struct {
	daily, monthly *string
	unlimited      *bool
}

var budgetFields = declareBudget()

func declareBudget() *drf.Serializer[budget.Standing, budgetDraft] {
	s := drf.NewSerializer[budget.Standing, budgetDraft]("Budget")
	usd := func(n *int64) *string {
		if n == nil {
			return nil
		}
		text := price.FormatUSD(*n)
		return &text
	}
	own := func(b *budget.Standing) budget.Override {
		if b.Override == nil {
			return budget.Override{}
		}
		return *b.Override
	}
	s.Int("user", drf.Opt{}, 0, 0, func(b *budget.Standing) int64 { return b.UserID }, nil)
	s.Char("role", drf.Opt{Example: `"user"`}, func(b *budget.Standing) string { return string(b.Role) }, nil)
	s.CharOrNull("daily_usd", drf.Opt{Null: true, Max: 20, Help: "The user's own limit of a UTC day in US dollars; null: the role's counts.", Example: `"5.00"`},
		func(b *budget.Standing) *string { return usd(own(b).Daily) }, func(d *budgetDraft, v *string) { d.daily = v })
	s.CharOrNull("monthly_usd", drf.Opt{Null: true, Max: 20, Help: "The same of a UTC month.", Example: `"50.00"`},
		func(b *budget.Standing) *string { return usd(own(b).Monthly) }, func(d *budgetDraft, v *string) { d.monthly = v })
	s.Bool("unlimited", drf.Opt{Help: "No limit at all counts for the user."},
		func(b *budget.Standing) bool { return own(b).Unlimited }, func(d *budgetDraft, v bool) { d.unlimited = &v })
	for _, f := range []struct {
		name, help string
		get        func(*budget.Standing) *int64
	}{
		{"daily_limit_usd", "What counts today; null: no limit.", func(b *budget.Standing) *int64 { return b.Limits.Daily }},
		{"monthly_limit_usd", "What counts this month; null: no limit.", func(b *budget.Standing) *int64 { return b.Limits.Monthly }},
		{"spent_today_usd", "", func(b *budget.Standing) *int64 { return &b.DayNanos }},
		{"spent_this_month_usd", "", func(b *budget.Standing) *int64 { return &b.MonthNanos }},
		{"reserved_usd", "Held back for calls that run.", func(b *budget.Standing) *int64 { return &b.Reserved }},
		{"remaining_usd", "What can be spent now; null: no limit.", func(b *budget.Standing) *int64 { return b.Remaining }},
	} {
		s.CharOrNull(f.name, drf.Opt{Help: f.help, Example: `"0.25"`}, func(b *budget.Standing) *string { return usd(f.get(b)) }, nil)
	}
	return s
}

func (s *Server) ownBudget(w http.ResponseWriter, r *drf.Request) error {
	return s.respondBudget(w, r, actor(r).UserID)
}

func (s *Server) retrieveBudget(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	return s.respondBudget(w, r, id)
}

func (s *Server) respondBudget(w http.ResponseWriter, r *drf.Request, userID int64) error {
	b, err := s.Budgets.Standing(r.Context(), actor(r), userID)
	if err != nil {
		return err
	}
	return budgetFields.Respond(w, r, http.StatusOK, &b)
}

// putBudget replaces a user's own limits: what is not sent is the role's.
func (s *Server) putBudget(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if err := adminOnly(r); err != nil {
		return err
	}
	var d budgetDraft
	if err := budgetFields.Decode(r, &d, drf.Whole); err != nil {
		return err
	}
	o := &budget.Override{Unlimited: d.unlimited != nil && *d.unlimited}
	faults := &drf.FieldErrors{}
	for _, f := range []struct {
		name string
		text *string
		to   **int64
	}{{"daily_usd", d.daily, &o.Daily}, {"monthly_usd", d.monthly, &o.Monthly}} {
		if f.text == nil {
			continue
		}
		nanos, err := price.ParseUSD(*f.text)
		if err != nil {
			faults.Add(f.name, "A valid amount of US dollars is required, such as 2.50.")
		}
		*f.to = &nanos
	}
	if !faults.Empty() {
		return faults
	}
	b, err := s.Budgets.SetOverride(r.Context(), actor(r), id, o)
	if err != nil {
		return err
	}
	return budgetFields.Respond(w, r, http.StatusOK, &b)
}

func (s *Server) deleteBudget(w http.ResponseWriter, r *drf.Request) error {
	id, err := r.PathInt("id")
	if err != nil {
		return err
	}
	if _, err := s.Budgets.SetOverride(r.Context(), actor(r), id, nil); err != nil {
		return err
	}
	return r.NoContent(w)
}
