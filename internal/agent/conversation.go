package agent

import (
	"encoding/json"
	"time"
)

// Conversation is a talk with an agent.
type Conversation struct {
	ID              int64
	AgentID         int64
	Title           string
	Messages        []Message
	TotalTokensUsed int64
	// TotalCostNanos is in billionths of a US dollar.
	TotalCostNanos int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

// Message is one utterance.
type Message struct {
	Role    string
	Content string
	SentAt  time.Time
	// Payload is what an imported message was, where Role, Content and SentAt
	// do not say all of it; nil otherwise. It is what is shown then.
	Payload json.RawMessage
	// Steps is a JSON list of Step where the answer called tools; nil otherwise,
	// and in Conversation.Messages.
	Steps json.RawMessage
}
