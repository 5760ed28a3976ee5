// Package tool holds what agents can do: one file per group of tools. A tool
// calls the same methods of the rooms as the REST API, as the user whom the
// agent works for; so it can do nothing that the user cannot do.
package tool

import (
	"context"
	"encoding/json"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/dashboard"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
	"github.com/bdash/bdash/internal/theme"
	"github.com/bdash/bdash/internal/widget"
)

// Rooms are what tools work with.
type Rooms struct {
	Views   *dashboard.Service
	Themes  *theme.Service
	Widgets *widget.Service
}

// All are the tools, in the order in which models are told of them.
func All(r Rooms) []agent.Tool {
	tools := []agent.Tool{search(r)}
	tools = append(tools, dashboardTools(r)...)
	return append(tools, themeTools(r)...)
}

// typed makes a tool's Run of a function over its arguments.
func typed[In any](run func(ctx context.Context, actor identity.Actor, in In) (agent.Result, error)) func(context.Context, identity.Actor, json.RawMessage) (agent.Result, error) {
	return func(ctx context.Context, actor identity.Actor, args json.RawMessage) (agent.Result, error) {
		var in In
		if err := json.Unmarshal(args, &in); err != nil {
			return agent.Result{}, err
		}
		return run(ctx, actor, in)
	}
}

// firstPage asks for the first rows of a list.
func firstPage(words string, size int) page.Request {
	return page.Request{Number: 1, Size: size, Search: words}
}
