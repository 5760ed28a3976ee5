package api

import (
	"context"
	"time"
)

// NewRequestContext gives the context of a request, and what ends it.
func NewRequestContext(parent context.Context, id string, deadline time.Time) (ctx context.Context, end func()) {
	c := &requestContext{parent: parent, id: id, deadline: deadline}
	return c, c.end
}
