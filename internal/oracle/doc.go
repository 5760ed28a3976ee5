// Package oracle replays 616 recorded exchanges against a running bdash and says where it answers otherwise.
//
// The exchanges were recorded from the Django backend that bdash replaces. They are the contract: a client written
// for that backend must not be able to tell bdash from it. Where bdash differs on purpose, the difference is a row
// of a table ([Deviations]) that says what bdash answers instead, so that it is asserted like everything else. Each
// row must be used exactly once, or the run fails: a row that no longer fits cannot linger. docs/compat.md is written
// from the same tables.
//
// The package is black box: it knows a base URL and the signing key, nothing of bdash's code. It expects a server
//   - that was started on an import of [RecordSeed] (ids, hashes and times kept) and has served nothing else,
//   - with SECRET_KEY=[SecretKey] and FRONTEND_URL=http://localhost:3000, without TRUSTED_PROXIES,
//   - with every throttle off; the throttling scenario wants a second such server with THROTTLE_ANON=100/hour,
//     THROTTLE_USER=1000/hour and THROTTLE_LOGIN empty (see [Options.Throttles]),
//   - for the ai exchanges ([Options.WithAI]) with OPENAI_BASE_URL at the stand-in that [Options.WithAI] describes.
//
// # What is compared
//
// Status; the recorded headers (Allow, and the CORS lists, as sets that may name more and never fewer; Vary without
// order; Retry-After within a minute), and that no other header of weight appears; the body with keys unordered and
// lists ordered; that JSON text is written as recorded (compact, or indented where asked for; escapes). Tokens are
// compared by signature, claim names and life; times by form, and by being the same wherever the recorded ones are
// the same; ids of rows made during the replay likewise. Seed ids and seed times are compared exactly.
package oracle
