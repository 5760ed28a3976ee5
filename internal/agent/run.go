package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bdash/bdash/internal/fault"
	"github.com/bdash/bdash/internal/identity"
	"github.com/bdash/bdash/internal/llm"
	"github.com/bdash/bdash/internal/page"
)

// Status is where a run stands.
type Status string

// The statuses. The last three are final.
const (
	Running   Status = "running"
	Waiting   Status = "waiting" // for its owner to approve a call
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Final reports whether the run has ended.
func (s Status) Final() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Run is what an agent does with one message. It lives in the server, not in
// the request that began it.
type Run struct {
	ID      int64
	UserID  int64
	AgentID int64
	// ConversationID is 0 once a run has failed that began its conversation and
	// said nothing.
	ConversationID int64
	// Opened: the run began its conversation.
	Opened bool
	// Position is where the user's message stands in the conversation.
	Position int64
	// Whole and Unattended are those of the Prompt.
	Whole, Unattended bool
	// SessionID and KeyID are who asked.
	SessionID string
	KeyID     int64
	Status    Status
	// Owner is the process that runs it.
	Owner string
	// CancelAsked: somebody wants it to end.
	CancelAsked bool
	// Failure is nil unless Status is Failed, or Cancelled for a reason.
	Failure      *Failure
	FinishReason string
	// Tainted: content from outside was read.
	Tainted bool
	// Tokens and cost of all steps.
	InputTokens, OutputTokens int64
	CostNanos                 int64
	CreatedAt, UpdatedAt      time.Time
	FinishedAt                *time.Time
}

// Failure is why a run did not succeed.
type Failure struct {
	// Code is stable: see the Code constants.
	Code string `json:"code"`
	// Text may be shown to the user.
	Text string `json:"text"`
	// RetryAfter is what the provider asked for; 0 is unknown.
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// The codes of failures.
const (
	CodeProvider    = "provider_failed"
	CodeTimeout     = "provider_timeout"
	CodeRateLimited = "provider_rate_limited"
	CodeTooLong     = "context_too_long"
	CodeRefused     = "provider_refused"
	CodeBudget      = "over_budget"
	CodeRevoked     = "access_revoked"
	CodeStopped     = "server_stopped"
	CodeInterrupted = "interrupted"
	CodeExpired     = "approval_expired"
	CodeCancelled   = "cancelled"
	CodeInternal    = "internal"
)

// Prompt is a message to an agent.
type Prompt struct {
	Text string
	// ConversationID continues a conversation; 0 begins one.
	ConversationID int64
	// ClientID is a name of the client's own for the conversation: an unknown
	// one begins it. Used where ConversationID is 0; "" is none.
	ClientID string
	// Regenerate takes back the last answer and the message before it.
	Regenerate bool
	// Whole: the caller waits for the whole answer, so that a failure takes
	// back all of it, unless a tool has run.
	Whole bool
	// Unattended: nobody is there to approve a call, so it is refused.
	Unattended bool
	// History replaces what the conversation holds, for clients that bring it.
	History []llm.Message
	// System is added to what the agent is told.
	System string
	// Temperature replaces the agent's; MaxTokens lowers it when above 0.
	Temperature *float64
	MaxTokens   int64
}

// Beginning is what RunStore.Begin stores.
type Beginning struct {
	Run    Run
	Prompt Prompt
	Title  string
	Lease  time.Time
	Now    time.Time
}

// Ending is what RunStore.Finish stores.
type Ending struct {
	Run Run
	// Seq and End are the last event.
	Seq int64
	End Event
	// Discard takes the user's message back, and the conversation with it if
	// the run began it.
	Discard bool
	// Answer and Steps are what was said; nothing is stored if both are empty.
	Answer string
	Steps  json.RawMessage
	Now    time.Time
}

// Ask is a call that waits for its owner.
type Ask struct {
	CallID, Tool, Arguments, Hash string
	ExpiresAt                     time.Time
}

// CallState is where a call stands that its owner was asked about.
type CallState string

// The states.
const (
	CallPending  CallState = "pending"
	CallApproved CallState = "approved"
	CallRefused  CallState = "refused"
	CallExpired  CallState = "expired"
)

// Decision is the owner's word on a call.
type Decision struct {
	RunID     int64
	CallID    string
	Hash      string
	Yes       bool
	SessionID string
	Owner     string
	Lease     time.Time
	Now       time.Time
}

// StoredMessage is a message as the loop wants it.
type StoredMessage struct {
	Message
	Steps []Step // what the answer did; nil when it called no tool
}

// RunStore keeps runs. Each method is one unit of work. Methods that take an
// owner do nothing, and give ErrLost, when the run is not this owner's any
// more.
type RunStore interface {
	// Begin stores the message and the run. ErrBusy while another run of the
	// conversation is open; ErrNoConversation.
	Begin(ctx context.Context, b Beginning) (Run, error)
	// Messages of a conversation before a position, oldest first, at most 400.
	Messages(ctx context.Context, conversationID, before int64) ([]StoredMessage, error)
	// Append adds events, and gives the runs that are not the owner's any more;
	// nothing is added for those.
	Append(ctx context.Context, owner string, batches []Batch) (lost []int64, err error)
	// Pause stops a run until its calls are decided. ErrLost also when it is to
	// be cancelled.
	Pause(ctx context.Context, r Run, asks []Ask, until, now time.Time) error
	// Finish ends a run. ErrLost.
	Finish(ctx context.Context, e Ending) (Run, error)
	// Decide writes a decision down. When it was the last one, the run is
	// running again under d.Owner, and woken is true. ErrRunNotFound,
	// ErrNotWaiting, ErrCallDecided.
	Decide(ctx context.Context, userID int64, d Decision) (r Run, woken bool, err error)
	// AskCancel notes that the run is to end. ErrRunNotFound.
	AskCancel(ctx context.Context, userID, id int64, now time.Time) (Run, error)
	// Calls gives the states of the calls that were asked about, by call id.
	Calls(ctx context.Context, runID int64) (map[string]CallState, error)
	// Expire ends the waiting of a run's calls.
	Expire(ctx context.Context, runID int64, now time.Time) error
	// Renew keeps those of the runs that are the owner's.
	Renew(ctx context.Context, owner string, ids []int64, lease time.Time) error
	// CancelAsked gives the owner's runs that are to end.
	CancelAsked(ctx context.Context, owner string) ([]int64, error)
	// Seize takes a waiting run; ErrLost when it does not wait.
	Seize(ctx context.Context, id int64, owner string, lease, now time.Time) (Run, error)
	// SeizeExpired takes at most most runs whose lease, or whose time to wait,
	// has ended, but not those that skip names.
	SeizeExpired(ctx context.Context, owner string, lease, now time.Time, most int, skip map[int64]bool) ([]Seized, error)
	// ByID: ErrRunNotFound, also for other users' runs. Status is cheaper.
	ByID(ctx context.Context, userID, id int64) (Run, error)
	Status(ctx context.Context, userID, id int64) (Status, error)
	// LastOf is the newest run of a conversation. ErrRunNotFound.
	LastOf(ctx context.Context, userID, conversationID int64) (Run, error)
	// Events from seq on, and the seq behind them; a long log comes in pieces.
	Events(ctx context.Context, runID, seq int64) ([]Event, error)

	// Conversation and what follows serve ai/conversations/.
	ConversationByID(ctx context.Context, userID, id int64) (Conversation, error)
	ListConversations(ctx context.Context, userID int64, req page.Request) (page.Result[Conversation], error)
	ListMessages(ctx context.Context, conversationID int64, req page.Request) (page.Result[Message], error)
	// DeleteConversation: ErrConversation; its runs go with it.
	DeleteConversation(ctx context.Context, userID, id int64) error
	// Sweep deletes at most most conversations that are older, and says how many.
	Sweep(ctx context.Context, before time.Time, most int) (int, error)
}

// Seized is a run that was taken over, and what it was.
type Seized struct {
	Run Run
	Was Status
}

// Errors of runs.
var (
	ErrNoMessage      = fault.New(fault.Invalid, "agent.no_message", "Message is required")
	ErrNoConversation = fault.New(fault.NotFound, "agent.no_conversation", "Conversation not found")
	ErrConversation   = fault.New(fault.NotFound, "agent.conversation_not_found", "Not found.")
	ErrRunNotFound    = fault.New(fault.NotFound, "agent.run_not_found", "Not found.")
	ErrBusy           = fault.New(fault.Conflict, "agent.busy", "Another message of this conversation is being answered.")
	ErrInactive       = fault.New(fault.Conflict, "agent.inactive", "This agent is inactive.")
	ErrTraining       = fault.New(fault.Conflict, "agent.training", "This agent is in training.")
	ErrPending        = fault.New(fault.Forbidden, "agent.pending", "Your account is not confirmed yet: it cannot chat.")
	ErrStopping       = fault.New(fault.Unavailable, "agent.stopping", "The server is stopping. Try again in a moment.")
	ErrTooMany        = fault.New(fault.Unavailable, "agent.too_many", "Too many answers are being written. Try again in a moment.")
	ErrByKey          = fault.New(fault.Forbidden, "agent.by_key", "An API key cannot approve calls.")
	ErrNotWaiting     = fault.New(fault.Conflict, "agent.not_waiting", "This run does not wait for approval.")
	ErrCallDecided    = fault.New(fault.Conflict, "agent.call_decided", "There is no such call to decide: it was decided or has expired, or its arguments are others.")
	// ErrLost stays inside: another process has the run now, or it is gone.
	ErrLost = fault.New(fault.Conflict, "agent.run_lost", "The run belongs to another process.")
)

// Budget keeps users within what they may spend.
type Budget interface {
	// Reserve sets aside what a call may cost. A fault tells that there is not
	// enough left; it is shown to the user.
	Reserve(ctx context.Context, c Charge) (Reserved, error)
	// Settle replaces what was set aside by what the call cost, in billionths of
	// a US dollar.
	Settle(ctx context.Context, r Reserved, u llm.Usage) (nanos int64, err error)
	// Release settles what a dead run left reserved: said is what its last call is
	// known to have written. It gives the cost.
	Release(ctx context.Context, runID int64, said llm.Usage) (nanos int64, err error)
}

// Reserved is what Budget set aside for one call.
type Reserved struct {
	ID, UserID int64
	// MaxTokens is how long the answer may be; 0 leaves it to the provider.
	MaxTokens int64
}

// Charge is one call of a model.
type Charge struct {
	Actor   identity.Actor
	AgentID int64
	RunID   int64
	Model   string
	// Input is an estimate of what is sent, in tokens.
	Input     int64
	MaxTokens int64
}

// Access asks whether somebody may still do what they began.
type Access interface {
	// Recheck gives the user as they are now. fault.Unauthenticated or
	// fault.Forbidden when the session has ended, the key is gone, or the
	// account may not go on.
	Recheck(ctx context.Context, userID int64, sessionID string, keyID int64, since time.Time) (identity.Actor, error)
}
