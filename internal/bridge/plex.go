package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/merge"
	"github.com/plexsync/plexsync/internal/plex"
	"github.com/plexsync/plexsync/internal/worker"
)

// plexSide is Plex as the worker sees it.
type plexSide struct{ *plex.Client }

// Plex is a client of Plex as the worker's interface.
func Plex(c *plex.Client) worker.Plex { return plexSide{c} }

func (p plexSide) Identity(ctx context.Context) (machine, version string, err error) {
	id, err := p.Client.Identity(ctx)
	return id.MachineID, id.Version, err
}

func (p plexSide) Authorized(ctx context.Context) error {
	_, err := p.Server(ctx)
	return err
}

func (p plexSide) Libraries(ctx context.Context) ([]worker.Library, error) {
	sections, err := p.Sections(ctx)
	var out []worker.Library
	for _, s := range sections {
		if s.Type == "movie" {
			out = append(out, worker.Library{Key: s.Key, Title: s.Title, Folders: s.Locations})
		}
	}
	return out, err
}

func (p plexSide) List(ctx context.Context, section string, since time.Time, page func([]job.Part) error) error {
	_, err := p.Client.List(ctx, section, since, page)
	return err
}

func (p plexSide) Items(ctx context.Context, keys []string) ([]worker.Item, error) {
	items, err := p.Client.Items(ctx, keys)
	out := make([]worker.Item, len(items))
	for i, x := range items {
		state := merge.Item{Scalars: map[merge.Field]string{}, Lists: map[merge.Field][]merge.Tag{}, Locked: map[merge.Field]bool{}}
		for f, v := range x.Scalars {
			state.Scalars[merge.Field(f)] = v
		}
		for f, tags := range x.Lists {
			for _, t := range tags {
				state.Lists[merge.Field(f)] = append(state.Lists[merge.Field(f)], merge.Tag{Name: t.Name, Role: t.Role, Thumb: t.Thumb})
			}
		}
		for f, locked := range x.Locked {
			state.Locked[merge.Field(f)] = locked
		}
		out[i] = worker.Item{Key: x.Key, Section: x.Section, Title: x.Title, Thumb: x.Thumb, Seen: job.Part{UpdatedAt: x.UpdatedAt, Thumb: x.Thumb}.Seen(), Trashed: x.Deleted, State: state}
	}
	return out, err
}

func (p plexSide) Edit(ctx context.Context, section, key string, e merge.Edit) (requests int, err error) {
	requests, err = p.Client.Edit(ctx, section, key, plexEdit(e))
	if u := (*plex.Unremovable)(nil); errors.As(err, &u) {
		err = fmt.Errorf("%w: %w", worker.ErrUnremovable, err)
	}
	return requests, err
}

func (p plexSide) RemovalKinds(e merge.Edit) []string {
	return kinds(plex.RemovalKinds(plexEdit(e)))
}

func (p plexSide) IgnoredRemovals(written, still merge.Edit) []string {
	return kinds(plex.IgnoredRemovals(plexEdit(written), plexEdit(still)))
}

func kinds(all []plex.NameKind) (out []string) {
	for _, k := range all {
		out = append(out, string(k))
	}
	return out
}

func (p plexSide) Habits() string {
	h := p.Client.Habits()
	if h == (plex.Habits{}) {
		return ""
	}
	text, err := json.Marshal(h)
	if err != nil {
		return ""
	}
	return string(text)
}

func (p plexSide) SetHabits(habits string) { p.Client.SetHabits(readHabits(habits)) }

func (p plexSide) OtherRemovals(habits string) { p.Client.OtherRemovals(readHabits(habits).Removals) }

// readHabits takes what cannot be read for nothing.
func readHabits(text string) (h plex.Habits) {
	if json.Unmarshal([]byte(text), &h) != nil {
		return plex.Habits{}
	}
	return h
}

func (p plexSide) SetPicture(ctx context.Context, key string, slot worker.Slot, img []byte, perhaps bool) error {
	where := plex.Poster
	if slot == worker.Background {
		where = plex.Art
	}
	_, err := p.Client.SetPicture(ctx, key, where, img, perhaps)
	if errors.Is(err, plex.ErrPicture) {
		return fmt.Errorf("%w: %w", worker.ErrPicture, err)
	}
	return err
}

func (p plexSide) Writes() int {
	s := p.Stats()
	return s.Writes + s.Uploads
}

func plexEdit(e merge.Edit) plex.Edit {
	var out plex.Edit
	for _, s := range e.Scalars {
		out.Scalars = append(out.Scalars, plex.ScalarEdit{Field: string(s.Field), Value: s.Value})
	}
	for _, l := range e.Lists {
		x := plex.ListEdit{Field: string(l.Field), Remove: l.Remove}
		for _, t := range l.Full {
			x.Full = append(x.Full, plex.Tag{Name: t.Name, Role: t.Role, Thumb: t.Thumb})
		}
		out.Lists = append(out.Lists, x)
	}
	for _, f := range e.Lock {
		out.Lock = append(out.Lock, string(f))
	}
	for _, f := range e.Unlock {
		out.Unlock = append(out.Unlock, string(f))
	}
	return out
}
