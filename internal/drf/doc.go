// Package drf is the wire of Django REST Framework 3.14 on net/http: the
// requests it reads, the answers it writes and the words it uses, so that a
// client written against a Django backend cannot tell the difference. It knows
// nothing of any application and imports nothing of this one.
//
// # The pieces
//
// A [Serializer] declares the fields of a resource once. From that declaration
// come decoding with DRF's coercions and error texts, partial updates, form
// bodies, encoding, the answer to OPTIONS and the schema in OpenAPI.
//
// A [View] is everything about one path: its methods, who may use it, what
// OPTIONS says. A [Site] is what views share: authentication, throttling, the
// translation of errors. [Site.Handler] makes an http.Handler of a view, and
// [OpenAPI] a description of many.
//
// # The life of a request
//
// A view goes through DRF's steps in DRF's order, which decides which of
// several faults a client is told of:
//
//  1. the Accept header and ?format= (406, 404)
//  2. who is asking (401)
//  3. whether they may (403)
//  4. how often (429)
//  5. whether the path has the method (405)
//  6. the handler: the object (404), then the body (413, 415, 400), then what
//     the application says
//
// A handler gets a [Request], reads input with [Serializer.Decode] and
// [Pages.ListQuery], and answers with [Serializer.Respond], [RespondPage],
// [Request.Respond] or [Request.NoContent]. Whatever error it returns becomes
// the answer in one place: [*Error] and [*FieldErrors] as they are, any other
// through Site.MapError, and what remains is a 500 that says nothing.
//
// # Declaring a resource
//
//	type Note struct { ID int64; Title string; Done bool }
//	type draft struct { Title *string; Done *bool }
//
//	notes := drf.NewSerializer[Note, draft]("Note")
//	notes.Int("id", drf.Opt{}, 0, 0, func(n *Note) int64 { return n.ID }, nil) // no setter: read-only
//	notes.Char("title", drf.Opt{Required: true, Max: 100},
//		func(n *Note) string { return n.Title }, func(d *draft, v string) { d.Title = &v })
//	notes.Bool("done", drf.Opt{},
//		func(n *Note) bool { return n.Done }, func(d *draft, v bool) { d.Done = &v })
//
// A draft of pointers tells what was sent from what was not, so POST, PUT and
// PATCH share one. The example of the package is a whole API of this kind.
//
// # What holds
//
//   - An answer is complete before its status is sent.
//   - Bytes from outside never panic and never become a 5xx: whatever body,
//     content type and query string come, the answer is a 2xx or a 4xx.
//   - Nothing is found out by reflection; declarations are read-only after
//     start and safe for concurrent use.
//   - Text that reaches the application is valid UTF-8 without U+0000.
//   - OpenAPI documents of equal declarations are equal byte by byte.
//
// # What is not here
//
// No ORM, no querysets: handlers call what they like. Of DRF's fields those
// that the application needs; uploaded files are recognised but their content
// is not kept. One renderer: a client that asks for text/html gets JSON.
// Nested serializers are read-only. There is no browsable API, no content
// negotiation by suffix, no versioning, no translation of texts.
package drf
