package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/bdash/bdash/internal/budget"
	"github.com/bdash/bdash/internal/config"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/job"
	"github.com/bdash/bdash/internal/llm/anthropic"
	"github.com/bdash/bdash/internal/llm/demo"
	"github.com/bdash/bdash/internal/llm/models"
	"github.com/bdash/bdash/internal/llm/openai"
	"github.com/bdash/bdash/internal/llm/price"
	"github.com/bdash/bdash/internal/sqlstore"
	"github.com/bdash/bdash/internal/telemetry"
)

// wireModels makes the models, and what may be spent on them.
func (a *App) wireModels(opts Options) error {
	all, err := a.newModels()
	if err != nil {
		return err
	}
	a.models, a.API.Models, a.API.Budgets = all, all, a.newBudgets(all)
	if opts.Models != nil { // a test's models have list prices
		a.API.Budgets.Prices = listPrices{price.Shipped()}
	}
	return nil
}

type listPrices struct{ table *price.Table }

// Price implements budget.Prices.
func (p listPrices) Price(model string) (price.Entry, bool) { return p.table.Of(model) }

// newModels makes the way to every model that the settings name.
func (a *App) newModels() (*models.Models, error) {
	cfg := a.Config
	prices, err := readPrices(cfg.AIPricesFile)
	if err != nil {
		return nil, err
	}
	mc := models.Config{
		Demo: demo.Model{}, Prices: prices, Fallback: cfg.AIFallbackModel,
		Limits: models.Limits{First: time.Duration(cfg.AIFirstTimeout), Idle: time.Duration(cfg.AIIdleTimeout), Total: time.Duration(cfg.AITimeout)},
		Observe: func(c models.Call) {
			a.metrics.ModelCall(telemetry.ModelCall{
				Provider: c.Provider, End: c.End, Input: c.Usage.Input, Cached: c.Usage.Cached, Output: c.Usage.Output,
				First: c.First, Total: c.Total,
			})
		},
	}
	if e := cfg.AI.Standard; e != nil {
		p := newProvider(*e)
		p.Models = []string{cfg.OpenAIModel}
		mc.Default = &p
	}
	for _, e := range cfg.AI.Named {
		mc.Providers = append(mc.Providers, newProvider(e))
	}
	return models.New(mc), nil
}

func newProvider(e config.AIEndpoint) models.Provider {
	p := models.Provider{Name: e.Name, Free: e.Free, Vendor: e.Vendor()}
	if e.Kind == config.AIAnthropic {
		p.Model = anthropic.New(anthropic.Options{Provider: e.Name, BaseURL: string(e.BaseURL), Key: e.Key.Reveal()})
	} else {
		p.Model = openai.New(openai.Options{Provider: e.Name, BaseURL: string(e.BaseURL), Key: e.Key.Reveal()})
	}
	return p
}

func readPrices(path string) (*price.Table, error) {
	shipped := price.Shipped()
	if path == "" {
		return shipped, nil
	}
	f, err := os.Open(path) //nolint:gosec // the operator's own setting
	if err != nil {
		return nil, fmt.Errorf("AI_PRICES_FILE: %w", err)
	}
	defer func() { _ = f.Close() }()
	own, err := price.Read(f)
	if err != nil {
		return nil, fmt.Errorf("AI_PRICES_FILE %s: %w", path, err)
	}
	return own.Over(shipped), nil
}

func (a *App) newBudgets(m *models.Models) *budget.Service {
	cfg := a.Config
	roles := map[identity.Role]budget.Limits{}
	for _, role := range identity.Roles {
		var l budget.Limits
		if n, ok := cfg.AIBudgetDaily.Nanos[role]; ok {
			l.Daily = &n
		}
		if n, ok := cfg.AIBudgetMonthly.Nanos[role]; ok {
			l.Monthly = &n
		}
		roles[role] = l
	}
	return &budget.Service{Store: &sqlstore.Budgets{DB: a.DB}, Prices: m, Roles: roles, Fallback: cfg.AIFallbackModel, Now: a.now}
}

// budgetSweepArgs is the job that settles reservations nobody settles any more.
type budgetSweepArgs struct{}

// Kind implements job.Args.
func (budgetSweepArgs) Kind() string { return "budget.sweep" }

func (a *App) registerBudgetSweep(w *job.Workers) job.Periodic {
	job.Register(w, func(ctx context.Context, _ job.Job[budgetSweepArgs]) error {
		n, err := a.API.Budgets.Sweep(ctx)
		if n > 0 {
			a.Log.Warn("reservations of calls that nobody ended were settled", "count", n)
		}
		return err
	}, job.KindOpts{})
	return job.Periodic{ID: "budget.sweep", Every: time.Hour, Make: func() job.Insert { return job.Insert{Args: budgetSweepArgs{}} }}
}
