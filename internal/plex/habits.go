package plex

import (
	"slices"
	"strings"
)

// Habits are what is learnt of how one server reads edits and names uploads, where
// accounts of Plex differ. The zero value knows nothing, and is safe. They hold for a machine and its
// version: keep them by both, for an update may change them.
type Habits struct {
	Lists    Lists    `json:"lists,omitempty"`
	Removals Encoding `json:"removals,omitempty"`
	Uploads  Uploads  `json:"uploads,omitempty"`
}

// Uploads says how a server names the pictures that are uploaded to it.
type Uploads string

const (
	// UploadsUnknown: none was uploaded yet. [Client.SetPicture] finds it out then.
	UploadsUnknown Uploads = ""
	// UploadsByHash: by the SHA-1 of their bytes, so that the same bytes are there once.
	UploadsByHash Uploads = "hash"
	// UploadsOtherwise: the same bytes may be there under several names.
	UploadsOtherwise Uploads = "otherwise"
)

// Lists says what a server makes of a list in an edit.
type Lists string

const (
	// ListsUnknown: it did not matter yet. [Client.Edit] finds it out when it does.
	ListsUnknown Lists = ""
	// ListsAppend: it adds to the item's list.
	ListsAppend Lists = "append"
	// ListsReplace: it becomes the item's list.
	ListsReplace Lists = "replace"
)

// Encoding says how names that hold a percent sign, a plus or a comma are written
// into a removal, inside its value. All others have the same bytes in any case.
type Encoding string

const (
	// EncodeUnknown writes as EncodeTwice.
	EncodeUnknown Encoding = ""
	// EncodeTwice percent-encodes these characters once more of their own, as Plex's
	// API description and python-plexapi do.
	EncodeTwice Encoding = "twice"
	// EncodeOnce leaves them as they are, for servers that decode the value alone. A
	// name with a comma cannot be written so; [Client.Edit] goes about it otherwise.
	EncodeOnce Encoding = "once"
)

// encode writes one name into the value of a removal, "" for one that cannot be.
func (e Encoding) encode(name string) string {
	if e != EncodeOnce {
		// The percent sign first, or it would meet those of the others.
		for _, pair := range [...][2]string{{"%", "%25"}, {",", "%2C"}, {"+", "%2B"}} {
			name = strings.ReplaceAll(name, pair[0], pair[1])
		}
		return name
	}
	if hasComma(name) {
		return ""
	}
	return name
}

func (e Encoding) other() Encoding {
	if e == EncodeOnce {
		return EncodeTwice
	}
	return EncodeOnce
}

func hasComma(name string) bool { return strings.Contains(name, ",") }

// NameKind is a kind of names that a removal may hold. A server that removes one
// name of a kind removes all of that kind; one that does not answers 200 all the
// same.
type NameKind string

const (
	// PlainName has the same bytes whether Plex decodes it once or twice.
	PlainName NameKind = "plain"
	// SpecialName holds a percent sign or a plus.
	SpecialName NameKind = "special"
	// CommaName holds a comma.
	CommaName NameKind = "comma"
)

// RemovalKinds are the kinds of names that an edit removes, each once, in the order
// above. The first time that a server is to remove one of a kind, read the item
// back: if [IgnoredRemovals] has the special ones or those with a comma, call
// [Client.OtherRemovals] and edit again.
func RemovalKinds(e Edit) []NameKind {
	var kinds []NameKind
	for _, kind := range [...]NameKind{PlainName, SpecialName, CommaName} {
		if slices.ContainsFunc(e.Lists, func(l ListEdit) bool {
			return slices.ContainsFunc(l.Remove, func(name string) bool { return kindOf(name) == kind })
		}) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// IgnoredRemovals are the kinds of names that an edit was to remove and of which none
// went: written is that edit, still what has to be done afterwards, as the item shows.
// A server that honours one removal an edit is not taken for one that cannot read a
// name.
func IgnoredRemovals(written, still Edit) []NameKind {
	return slices.DeleteFunc(RemovalKinds(written), func(kind NameKind) bool {
		return slices.ContainsFunc(written.Lists, func(l ListEdit) bool {
			left := map[string]bool{}
			for _, s := range still.Lists {
				if s.Field == l.Field {
					left = nameKeys(l.Field, s.Remove)
				}
			}
			return slices.ContainsFunc(l.Remove, func(name string) bool { return kindOf(name) == kind && !left[tagKey(l.Field, name)] })
		})
	})
}

func kindOf(name string) NameKind {
	switch {
	case hasComma(name):
		return CommaName
	case strings.ContainsAny(name, "%+"):
		return SpecialName
	}
	return PlainName
}

// Habits are what is known of this server now: what [Client.SetHabits] was told, and
// what was learnt since.
func (c *Client) Habits() Habits {
	c.habitsMu.Lock()
	defer c.habitsMu.Unlock()
	return c.habits
}

// SetHabits tells what was learnt of this server before. Values that do not exist
// are taken for unknown.
func (c *Client) SetHabits(h Habits) {
	if h.Lists != ListsAppend && h.Lists != ListsReplace {
		h.Lists = ListsUnknown
	}
	if h.Removals != EncodeTwice && h.Removals != EncodeOnce {
		h.Removals = EncodeUnknown
	}
	if h.Uploads != UploadsByHash && h.Uploads != UploadsOtherwise {
		h.Uploads = UploadsUnknown
	}
	c.learn(func(old *Habits) { *old = h })
}

func (c *Client) learn(f func(*Habits)) {
	c.habitsMu.Lock()
	defer c.habitsMu.Unlock()
	f(&c.habits)
}

// OtherRemovals changes how removals are written, after one that was written as used
// was read back and had no effect. used is what Habits said before that edit: if
// somebody else has changed it since, it stays so. It returns what holds now.
func (c *Client) OtherRemovals(used Encoding) Encoding {
	c.habitsMu.Lock()
	defer c.habitsMu.Unlock()
	if c.habits.Removals == used {
		c.habits.Removals = used.other()
	}
	return c.habits.Removals
}
