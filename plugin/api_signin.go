package main

import "github.com/plexsync/plexsync/internal/plex"

// ---- Signing in with Plex -----------------------------------------------------------
//
// A page calls sign_in, opens the address that it is answered, and calls sign_in_poll
// until its state is another than waiting, each time after poll_seconds. It shows the
// servers and calls sign_in_choose with the one that the person chose. No token is in
// any of these answers, and nothing is saved before sign_in_choose. To cancel, a page
// stops asking.

// SignInState is how far a sign-in has come.
type SignInState string

const (
	SignInWaiting SignInState = "waiting" // you have not signed in on Plex's page yet, or plex.tv does not answer at the moment; ask again
	SignInReady   SignInState = "ready"   // you have signed in: choose one of the servers
	SignInExpired SignInState = "expired" // the code has expired, or is none of ours; start again
	SignInRefused SignInState = "refused" // plex.tv refused it; start again
)

func (SignInState) values() []string {
	return texts(SignInWaiting, SignInReady, SignInExpired, SignInRefused)
}

// AddressPlace is where an address leads.
type AddressPlace string

const (
	PlaceLocal  AddressPlace = "local"  // in the server's own network
	PlaceRemote AddressPlace = "remote" // over the internet
	PlaceRelay  AddressPlace = "relay"  // over a computer of Plex's; never used
)

func (AddressPlace) values() []string { return texts(PlaceLocal, PlaceRemote, PlaceRelay) }

// AddressResult is how an address did when Stash's machine tried it.
type AddressResult string

const (
	AddressAnswers      AddressResult = "answers"       // the server answers there
	AddressOtherMachine AddressResult = "other_machine" // another Plex server answers there
	AddressNotPlex      AddressResult = "not_plex"      // something else answers there, or Plex is not ready
	AddressNoName       AddressResult = "no_name"       // its name cannot be looked up, or leads elsewhere
	AddressUntrusted    AddressResult = "untrusted"     // its certificate cannot be verified
	AddressNoAnswer     AddressResult = "no_answer"     // nothing answers there
	AddressSkipped      AddressResult = "skipped"       // it is not safe or too slow, and was not tried
)

func (AddressResult) values() []string {
	return texts(AddressAnswers, AddressOtherMachine, AddressNotPlex, AddressNoName, AddressUntrusted, AddressNoAnswer, AddressSkipped)
}

// resultOf is a verdict as the interface has it.
func resultOf(v plex.Verdict) AddressResult { return AddressResult(v) }

// placeOf is a place as the interface has it.
func placeOf(p plex.Place) AddressPlace {
	switch p {
	case plex.Local:
		return PlaceLocal
	case plex.Relay:
		return PlaceRelay
	}
	return PlaceRemote
}

// SignInRequest names a sign-in that was started.
type SignInRequest struct {
	ID int64 `json:"id" min:"1" required:"true"` // as sign_in answered it
}

// SignInChoice is the server that you chose.
type SignInChoice struct {
	SignInRequest
	Machine string `json:"machine" required:"true"` // the server's machine identifier
	URL     string `json:"url" required:"true"`     // one of its addresses, as sign_in_poll answered it
}

// SignIn is a sign-in that was started.
type SignIn struct {
	ID      int64  `json:"id"`           // for sign_in_poll and sign_in_choose
	URL     string `json:"url"`          // Plex's page, on which you sign in
	Expires Time   `json:"expires"`      // until when you can
	Left    int    `json:"left_seconds"` // the same for a browser whose clock differs
}

// SignInProgress is how far a sign-in has come, and what it has found.
type SignInProgress struct {
	State SignInState `json:"state"`
	// What to tell you: why it waits, ended, or found no server that can be used; ""
	// if there is nothing to say.
	Message string             `json:"message"`
	Expires Time               `json:"expires"`      // until when you can sign in, or choose; null if it has ended
	Left    int                `json:"left_seconds"` // the same for a browser whose clock differs
	Poll    int                `json:"poll_seconds"` // how long to wait before you ask again; 0 if there is nothing to wait for
	Servers List[SignInServer] `json:"servers"`      // your own first; empty while waiting
	Machine string             `json:"machine"`      // of the server that is chosen unless you choose another; "" if none can be used
	URL     string             `json:"url"`          // its address
}

// SignInServer is a server that your Plex account can see.
type SignInServer struct {
	Machine   string              `json:"machine"`   // its machine identifier
	Name      string              `json:"name"`      // as Plex shows it
	Version   string              `json:"version"`   // of Plex; "" if not known
	Owned     bool                `json:"owned"`     // it is yours; only an owner can edit
	Owner     string              `json:"owner"`     // who shares it with you; "" if it is yours
	Current   bool                `json:"current"`   // it is the server that is synced now
	Usable    bool                `json:"usable"`    // it can be chosen
	Message   string              `json:"message"`   // why it cannot be chosen, and what to do; "" if it can
	URL       string              `json:"url"`       // its best address; "" if it cannot be chosen
	Addresses List[SignInAddress] `json:"addresses"` // the best first; none of a server that is not yours
}

// SignInAddress is an address of a server, and how it did when Stash's machine tried it.
type SignInAddress struct {
	URL      string        `json:"url"` // as the setting plexUrl takes it
	Place    AddressPlace  `json:"place"`
	Result   AddressResult `json:"result"`
	Usable   bool          `json:"usable"`   // it can be chosen
	Verified bool          `json:"verified"` // it is encrypted, and a certificate proves whose it is
	Saved    bool          `json:"saved"`    // it is the one in the settings
	Took     *float64      `json:"seconds"`  // how long the server took to answer; null if it does not
	Message  string        `json:"message"`  // why it cannot be chosen, as the end of a sentence that begins with the address; "" if it can
}

// SignedIn is the server whose address and token were saved in the settings.
type SignedIn struct {
	Changed bool   `json:"changed"` // false if they were there already
	Machine string `json:"machine"` // its machine identifier
	Name    string `json:"name"`    // as Plex shows it
	Version string `json:"version"` // of Plex
	URL     string `json:"url"`     // the address that was saved
}

// SignedOut is what became of the token in the settings.
type SignedOut struct {
	Revoked bool   `json:"revoked"` // Plex no longer accepts it
	Removed bool   `json:"removed"` // it is no longer in the settings
	Message string `json:"message"` // what was done, or why nothing was
}
