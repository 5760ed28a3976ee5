package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/bdash/bdash/internal/audit"
	"github.com/bdash/bdash/internal/djangoimport"
)

type importCommand struct {
	Django importDjangoCommand `cmd:"" help:"Take over the database of the guide's Django backend."`
}

type importDjangoCommand struct {
	From       string `required:"" help:"The Django database: an SQLite file, or postgres://user:password@host/name."`
	DryRun     bool   `help:"Say what would happen and write nothing."`
	TrustRoles bool   `help:"Keep role=admin of users who are not superusers; they become editors otherwise."`
	JSON       bool   `name:"json" help:"Print the summary as JSON."`
}

// Run implements the command.
func (c *importDjangoCommand) Run(ctx context.Context, p *Process) error {
	cfg, log, err := p.settings()
	if err != nil {
		return err
	}
	a, err := New(ctx, cfg, log, Options{Mail: p.Stderr, NoJobs: true, Version: p.Version})
	if err != nil {
		return explain(err, cfg)
	}
	defer a.Close()
	report, err := djangoimport.Run(ctx, djangoimport.Options{
		From: c.From, Target: a.DB, DryRun: c.DryRun, TrustRoles: c.TrustRoles, Progress: djangoimport.NewBar(p.Stderr),
	})
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted; run the same command again to go on")
	}
	if err != nil {
		return err
	}
	if !c.DryRun {
		a.recordCommand(ctx, audit.Entry{Action: "import.django"})
	}
	if c.JSON {
		return report.WriteJSON(p.Stdout)
	}
	if err := report.WriteText(p.Stdout); err != nil {
		return err
	}
	if c.DryRun {
		fmt.Fprintln(p.Stdout, "This was a dry run: nothing was written.")
	}
	return nil
}
