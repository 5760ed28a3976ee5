package tool

import (
	"context"
	"encoding/json"

	"github.com/bdash/bdash/internal/agent"
	"github.com/bdash/bdash/internal/identity"
)

// hits is how many of each kind a search shows.
const hits = 10

type searchArgs struct {
	Query string `json:"query"`
}

// hit is something that was found, with what other tools call it by.
type hit struct {
	Kind        string `json:"kind"`
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Key         string `json:"key,omitempty"`
}

// search finds what the user has by its name and description.
func search(r Rooms) agent.Tool {
	return agent.Tool{
		Name: "search", Group: "search",
		Description: "Finds the user's dashboard views and themes, and the widgets that the user can see, by words in their names and descriptions. " +
			"Every word must occur. Gives kinds and ids for the other tools.",
		Schema: json.RawMessage(`{"type":"object","properties":{"query":{"type":"string","minLength":1,"maxLength":200,"description":"The words to look for."}},"required":["query"],"additionalProperties":false}`),
		Run: typed(func(ctx context.Context, actor identity.Actor, in searchArgs) (agent.Result, error) {
			return r.search(ctx, actor, in.Query)
		}),
	}
}

func (r Rooms) search(ctx context.Context, actor identity.Actor, query string) (agent.Result, error) {
	found := []hit{}
	views, err := r.Views.List(ctx, actor, firstPage(query, hits))
	if err != nil {
		return agent.Result{}, err
	}
	for _, v := range views.Items {
		found = append(found, hit{Kind: "view", ID: v.ID, Name: v.Name, Description: v.Description})
	}
	themes, err := r.Themes.List(ctx, actor, firstPage(query, hits))
	if err != nil {
		return agent.Result{}, err
	}
	for _, t := range themes.Items {
		found = append(found, hit{Kind: "theme", ID: t.ID, Name: t.Name, Description: t.Description})
	}
	widgets, err := r.Widgets.List(ctx, actor, firstPage(query, hits))
	if err != nil {
		return agent.Result{}, err
	}
	outside := false
	for _, w := range widgets.Items {
		h := hit{Kind: "widget", ID: w.ID, Name: w.Name, Description: w.Description}
		if w.Key != nil {
			h.Key = *w.Key
		}
		outside = outside || w.CreatedBy != actor.UserID
		found = append(found, h)
	}
	total := views.Count + themes.Count + widgets.Count
	res, err := agent.JSONResult(map[string]any{"results": found, "total": total})
	res.Outside = outside
	return res, err
}
