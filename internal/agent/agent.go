// Package agent holds the users' agents (what they are told, which model they
// use, which tools they may call) and the conversations that were had with
// them.
//
// Agents and conversations belong to one user; somebody else's do not exist.
package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/page"
)

// Agent is one agent.
type Agent struct {
	ID           int64
	UserID       int64
	Name         string
	Description  string
	AgentType    string // "assistant", "analyst", "optimizer" or "custom"
	SystemPrompt string
	// Model is the name by which the provider knows the model.
	Model       string
	Temperature float64
	// MaxTokens limits an answer, in tokens; any number that was stored, also
	// 0 and less.
	MaxTokens int64
	// AvailableTools is any JSON, meant to be a list of names: see Tools.
	AvailableTools json.RawMessage
	// ToolPermissions is a JSON object of Permissions by tool or group.
	ToolPermissions json.RawMessage
	Status          string // "active", "inactive" or "training"
	// TotalInteractions counts answered messages.
	TotalInteractions int64
	// LastUsed is nil before the first answer.
	LastUsed  *time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// What a new agent has where its draft says nothing: the guide's model.
const (
	DefaultModel       = "gpt-4"
	DefaultTemperature = 0.7
	DefaultMaxTokens   = 2000
	DefaultStatus      = "active"
)

// Draft is a new agent or a change of one; nil leaves a field as it is.
type Draft struct {
	Name, Description, AgentType, SystemPrompt *string
	Model, Status                              *string
	Temperature                                *float64
	MaxTokens                                  *int64
	AvailableTools, ToolPermissions            json.RawMessage
}

// Store keeps agents and conversations. Each method is one unit of work.
type Store interface {
	// ByID: ErrNotFound, also for other users' agents.
	ByID(ctx context.Context, userID, id int64) (Agent, error)
	// List orders by any field of ai/agents/.
	List(ctx context.Context, userID int64, req page.Request) (page.Result[Agent], error)
	// Create gives the agent back with its id. ErrNotFound when the user does
	// not exist.
	Create(ctx context.Context, a Agent) (Agent, error)
	// Update reads the agent, lets change work on it, and writes it, with no
	// other write of the agent in between. change may run more than once.
	// ErrNotFound.
	Update(ctx context.Context, userID, id int64, change func(*Agent)) (Agent, error)
	// Delete removes the agent with its conversations. ErrNotFound.
	Delete(ctx context.Context, userID, id int64) error
	// Conversations gives all of the user's with their messages, the one that
	// changed last first, as they are at one moment. Never nil.
	Conversations(ctx context.Context, userID int64) ([]Conversation, error)
}

// ErrNotFound is returned for agents that do not exist or are somebody else's.
var ErrNotFound = fault.New(fault.NotFound, "agent.not_found", "Not found.")

// Service is the room. Safe for concurrent use.
type Service struct {
	Store Store
	Now   func() time.Time
}

// List is one page of the actor's agents.
func (s *Service) List(ctx context.Context, actor identity.Actor, req page.Request) (page.Result[Agent], error) {
	return s.Store.List(ctx, actor.UserID, req)
}

// ByID is one of the actor's agents. ErrNotFound.
func (s *Service) ByID(ctx context.Context, actor identity.Actor, id int64) (Agent, error) {
	return s.Store.ByID(ctx, actor.UserID, id)
}

// Create stores a new agent of the actor. A field fault of the permissions.
func (s *Service) Create(ctx context.Context, actor identity.Actor, d Draft) (Agent, error) {
	if err := checkPermissions(d.ToolPermissions); err != nil {
		return Agent{}, err
	}
	now := s.now()
	a := Agent{
		UserID: actor.UserID, Model: DefaultModel, Temperature: DefaultTemperature, MaxTokens: DefaultMaxTokens,
		AvailableTools: json.RawMessage("[]"), ToolPermissions: json.RawMessage("{}"), Status: DefaultStatus, CreatedAt: now,
	}
	apply(&a, d, now)
	return s.Store.Create(ctx, a)
}

// Update changes an agent. ErrNotFound; a field fault of the permissions.
func (s *Service) Update(ctx context.Context, actor identity.Actor, id int64, d Draft) (Agent, error) {
	if err := checkPermissions(d.ToolPermissions); err != nil {
		return Agent{}, err
	}
	now := s.now()
	return s.Store.Update(ctx, actor.UserID, id, func(a *Agent) { apply(a, d, now) })
}

// Delete removes an agent and its conversations. ErrNotFound.
func (s *Service) Delete(ctx context.Context, actor identity.Actor, id int64) error {
	return s.Store.Delete(ctx, actor.UserID, id)
}

// Conversations gives all of the actor's with their messages, the one that
// changed last first. Never nil.
func (s *Service) Conversations(ctx context.Context, actor identity.Actor) ([]Conversation, error) {
	return s.Store.Conversations(ctx, actor.UserID)
}

func apply(a *Agent, d Draft, now time.Time) {
	set(&a.Name, d.Name)
	set(&a.Description, d.Description)
	set(&a.AgentType, d.AgentType)
	set(&a.SystemPrompt, d.SystemPrompt)
	set(&a.Model, d.Model)
	set(&a.Temperature, d.Temperature)
	set(&a.MaxTokens, d.MaxTokens)
	set(&a.Status, d.Status)
	if d.AvailableTools != nil {
		a.AvailableTools = d.AvailableTools
	}
	if d.ToolPermissions != nil {
		a.ToolPermissions = d.ToolPermissions
	}
	a.UpdatedAt = now
}

// checkPermissions takes an object of Permissions; nothing is fine.
func checkPermissions(raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var set map[string]string
	if json.Unmarshal(raw, &set) != nil || set == nil {
		return fault.Fields(fault.Field{Name: "tool_permissions", Code: "invalid", Message: "Expected an object of tool names with allow, ask or deny."})
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		switch Permission(set[name]) {
		case Allow, AskMe, Deny:
		default:
			return fault.Fields(fault.Field{Name: "tool_permissions", Code: "invalid_choice", Message: fmt.Sprintf("%q is not allow, ask or deny.", set[name])})
		}
	}
	return nil
}

func set[T any](to *T, change *T) {
	if change != nil {
		*to = *change
	}
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
