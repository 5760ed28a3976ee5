// Package page holds the plain values with which adapters ask rooms and stores
// for one page of a list, and get it. It knows no wire format.
package page

import "errors"

// ErrInvalid is returned for a page that does not exist.
var ErrInvalid = errors.New("page: no such page")

// Order sorts by one field, named as on the wire. Stores ignore fields that
// are not on their list.
type Order struct {
	Field string
	Desc  bool
}

// Request asks for one page.
type Request struct {
	// Number counts from 1. Ignored when Last is set.
	Number int
	// Last asks for the last page, whatever its number.
	Last bool
	// Size is the number of items on a page, at least 1.
	Size int
	// Ordering, most significant first; empty means the list's own order.
	Ordering []Order
	// Search is free text; every word must occur. Empty means no search.
	Search string
	// Filters are exact matches by field. Stores ignore fields that are not on
	// their list.
	Filters map[string]string
}

// Result is one page.
type Result[T any] struct {
	// Items is never nil.
	Items []T
	// Count is the number of items on all pages.
	Count int
	// Number is the page's number, from 1; Size as requested.
	Number, Size int
}

// Pages is the number of pages; an empty list has one.
func (r Result[T]) Pages() int { return Pages(r.Count, r.Size) }

// Pages is how many pages of size items hold count items; at least one.
func Pages(count, size int) int {
	if count <= 0 || size <= 0 {
		return 1
	}
	return (count-1)/size + 1
}

// Resolve gives the page's number and the offset of its first item, or
// ErrInvalid when a list of count items has no such page.
func (r Request) Resolve(count int) (number, offset int, err error) {
	pages := Pages(count, r.Size)
	number = r.Number
	if r.Last {
		number = pages
	}
	if number < 1 || number > pages {
		return 0, 0, ErrInvalid
	}
	return number, (number - 1) * r.Size, nil
}
