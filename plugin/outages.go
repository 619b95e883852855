package main

import (
	"context"
	"fmt"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// outageReport is what the mode outages returns. Durations are seconds.
type outageReport struct {
	Outages []store.Outage `json:"outages"` // of Plex, the newest first
	// Stash lists the outages of Stash.
	Stash []store.Outage `json:"stash_outages"`
	// MTTR is the mean length of the outages that ended, MTBF the mean time from
	// the end of one to the start of the next, Availability the share of the time
	// since the first outage in which Plex could be used. Null where there is too
	// little to tell.
	MTTR         *float64 `json:"mttr_seconds"`
	MTBF         *float64 `json:"mtbf_seconds"`
	Availability *float64 `json:"availability"`
}

// report computes the figures from outages of one system, the newest first.
func report(outages []store.Outage, now time.Time) outageReport {
	r := outageReport{Outages: outages}
	if r.Outages == nil {
		r.Outages = []store.Outage{}
	}
	if len(outages) == 0 {
		return r
	}
	var down, repaired, between time.Duration
	ended := 0
	for i, o := range outages {
		end := o.Ended
		if end.IsZero() {
			end = now
		} else {
			ended++
			repaired += max(0, end.Sub(o.Started))
		}
		down += max(0, end.Sub(o.Started))
		if i > 0 {
			between += max(0, outages[i-1].Started.Sub(end))
		}
	}
	if ended > 0 {
		r.MTTR = seconds(repaired / time.Duration(ended))
	}
	if n := len(outages) - 1; n > 0 {
		r.MTBF = seconds(between / time.Duration(n))
	}
	if all := now.Sub(outages[len(outages)-1].Started); all > 0 {
		a := max(0, 1-down.Seconds()/all.Seconds())
		r.Availability = &a
	}
	return r
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

func (p *process) outages(ctx context.Context, s *session) (any, error) {
	all, err := s.db.Outages(ctx, 1000)
	if err != nil {
		return nil, err
	}
	var plex []store.Outage
	other := []store.Outage{}
	for _, o := range all {
		if o.System == job.Plex {
			plex = append(plex, o)
		} else {
			other = append(other, o)
		}
	}
	r := report(plex, time.Now())
	r.Stash = other
	if len(other) > 0 {
		p.log.Info(fmt.Sprintf("Outages of Stash itself: %d, the last began %s", len(other), other[0].Started.Local().Format(time.DateTime)))
	}
	if len(plex) == 0 {
		p.log.Info("No outage of Plex on record")
		return r, nil
	}
	for _, o := range plex[:min(len(plex), 20)] {
		line := fmt.Sprintf("%s: %s", o.Started.Local().Format(time.DateTime), o.Message)
		if o.Ended.IsZero() {
			p.log.Warn(line + " (it lasts)")
			continue
		}
		p.log.Info(fmt.Sprintf("%s; it lasted %s, %d jobs waited", line, o.Ended.Sub(o.Started).Round(time.Second), o.Waited))
	}
	p.log.Info(fmt.Sprintf("Mean time to recovery %s, mean time between outages %s, availability %s",
		span(r.MTTR), span(r.MTBF), percent(r.Availability)))
	return r, nil
}

func span(seconds *float64) string {
	if seconds == nil {
		return "unknown"
	}
	return (time.Duration(*seconds) * time.Second).String()
}

func percent(share *float64) string {
	if share == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.2f %%", 100**share)
}

// history is the runs and outages, with a row for each day.
type history struct {
	outageReport
	Runs []job.Run    `json:"runs"`
	Days []historyDay `json:"days"` // the last thirty, the oldest first
}

type historyDay struct {
	Day    string `json:"day"` // 2006-01-02, in Stash's time zone
	Synced int    `json:"synced"`
	// Out is for how many seconds of the day Plex was out.
	Out float64 `json:"out_seconds"`
}

// historyDays is how many days a history tells.
const historyDays = 30

func (p *process) history(ctx context.Context, s *session) (any, error) {
	report, err := p.outages(ctx, s)
	if err != nil {
		return nil, err
	}
	h := history{outageReport: report.(outageReport), Runs: []job.Run{}}
	runs, err := s.db.Runs(ctx, 1000)
	if err != nil {
		return nil, err
	}
	h.Days = days(time.Now(), runs, h.Outages)
	h.Runs = append(h.Runs, runs[:min(len(runs), 200)]...)
	return h, nil
}

// days sums runs and outages up by the day.
func days(now time.Time, runs []job.Run, outages []store.Outage) []historyDay {
	all := make([]historyDay, historyDays)
	y, m, d := now.Date()
	for i := range all {
		begin := time.Date(y, m, d-historyDays+1+i, 0, 0, 0, 0, now.Location())
		end := time.Date(y, m, d-historyDays+2+i, 0, 0, 0, 0, now.Location())
		all[i].Day = begin.Format(time.DateOnly)
		for _, r := range runs {
			if !r.Started.Before(begin) && r.Started.Before(end) {
				all[i].Synced += r.Done
			}
		}
		for _, o := range outages {
			from, to := o.Started, o.Ended
			if to.IsZero() {
				to = now
			}
			if from.Before(begin) {
				from = begin
			}
			if to.After(end) {
				to = end
			}
			all[i].Out += max(0, to.Sub(from).Seconds())
		}
	}
	return all
}
