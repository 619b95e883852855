package main

import (
	"context"
	"fmt"
	"time"

	"github.com/plexsync/plexsync/internal/job"
	"github.com/plexsync/plexsync/internal/store"
)

// outages reports when the two servers were out.
func (s *session) outages(ctx context.Context, _ NoArguments) (OutageReport, error) {
	all, err := s.db.Outages(ctx, 1000)
	if err != nil {
		return OutageReport{}, err
	}
	began, err := s.firstRun(ctx)
	if err != nil {
		return OutageReport{}, err
	}
	return outageReport(all, began, time.Now()), nil
}

// firstRun is when the oldest run on record began; zero if there is none. Only since then
// is it known whether Plex could be used.
func (s *session) firstRun(ctx context.Context) (time.Time, error) {
	runs, err := s.db.Runs(ctx, daysRuns)
	if err != nil || len(runs) == 0 {
		return time.Time{}, err
	}
	return runs[len(runs)-1].Started, nil
}

// windows are what availability is counted over, in days.
var windows = []int{7, 30, 90}

// window sums up the outages of some days. began is since when there is a record.
func window(days int, plex []store.Outage, began, now time.Time) Window {
	since := now.AddDate(0, 0, -days)
	if began.After(since) {
		since = began
	}
	w := Window{Days: days, Since: Time{since}}
	for _, o := range plex {
		from, to := o.Started, o.Ended
		if to.IsZero() {
			to = now
		}
		if from.Before(since) {
			from = since
		}
		if to.After(from) {
			w.Outages++
			w.Out += to.Sub(from).Seconds()
		}
	}
	if all := now.Sub(since).Seconds(); !began.IsZero() && all > 0 {
		a := min(1, max(0, 1-w.Out/all))
		w.Availability = &a
	}
	return w
}

// outageReport sums outages up, which are the newest first. The figures are Plex's. began
// is when the oldest run on record began, zero if there is none.
func outageReport(all []store.Outage, began, now time.Time) OutageReport {
	var r OutageReport
	var plex []store.Outage
	for _, o := range all {
		if o.System == job.Plex {
			plex = append(plex, o)
			r.Outages = append(r.Outages, outage(o))
		} else {
			r.Stash = append(r.Stash, outage(o))
		}
	}
	if n := len(plex); n > 0 && (began.IsZero() || plex[n-1].Started.Before(began)) {
		began = plex[n-1].Started
	}
	for _, d := range windows {
		r.Windows = append(r.Windows, window(d, plex, began, now))
	}
	if len(plex) == 0 {
		return r
	}
	var down, repaired, between time.Duration
	ended := 0
	for i, o := range plex {
		end := o.Ended
		if end.IsZero() {
			end = now
		} else {
			ended++
			repaired += max(0, end.Sub(o.Started))
		}
		down += max(0, end.Sub(o.Started))
		if i > 0 {
			between += max(0, plex[i-1].Started.Sub(end))
		}
	}
	if ended > 0 {
		r.MTTR = seconds(repaired / time.Duration(ended))
	}
	if n := len(plex) - 1; n > 0 {
		r.MTBF = seconds(between / time.Duration(n))
	}
	if all := now.Sub(plex[len(plex)-1].Started); all > 0 {
		a := max(0, 1-down.Seconds()/all.Seconds())
		r.Availability = &a
	}
	return r
}

func seconds(d time.Duration) *float64 {
	s := d.Seconds()
	return &s
}

func outage(o store.Outage) Outage {
	return Outage{System: System(o.System), Started: Time{o.Started}, Ended: Time{o.Ended}, Cause: Class(o.Cause), Message: o.Message, Waited: o.Waited}
}

// outageLines is how many outages the log shows.
const outageLines = 20

func logOutages(s *session, r OutageReport) {
	if n := len(r.Stash); n > 0 {
		s.log.Info(fmt.Sprintf("Outages of Stash itself: %d, the last began %s", n, clock(r.Stash[0].Started)))
	}
	if len(r.Outages) == 0 {
		s.log.Info("No Plex outage on record")
		return
	}
	for _, o := range r.Outages[:min(len(r.Outages), outageLines)] {
		line := fmt.Sprintf("%s: %s", clock(o.Started), o.Message)
		if o.Ended.IsZero() {
			s.log.Warn(line + " (ongoing)")
			continue
		}
		s.log.Info(fmt.Sprintf("%s; lasted %s, %d jobs waited", line, o.Ended.Sub(o.Started.Time).Round(time.Second), o.Waited))
	}
	s.log.Info(fmt.Sprintf("Mean time to recovery %s, mean time between outages %s", span(r.MTTR), span(r.MTBF)))
	for _, w := range r.Windows {
		s.log.Info(fmt.Sprintf("Plex was available %s of the last %d days (counted since %s)", percent(w.Availability), w.Days, clock(w.Since)))
	}
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

const (
	historyDays = 30   // days of a history
	historyRuns = 200  // runs that it lists
	daysRuns    = 1000 // runs that its days are summed up from: as many as are kept
)

// history shows the past runs and outages, with a row for each day.
func (s *session) history(ctx context.Context, _ NoArguments) (History, error) {
	outages, err := s.db.Outages(ctx, 1000)
	if err != nil {
		return History{}, err
	}
	runs, err := s.db.Runs(ctx, daysRuns)
	if err != nil {
		return History{}, err
	}
	now := time.Now()
	var began time.Time
	if len(runs) > 0 {
		began = runs[len(runs)-1].Started
	}
	h := History{OutageReport: outageReport(outages, began, now), Runs: runAnswers(runs[:min(len(runs), historyRuns)])}
	h.Days = days(now, runs, h.Outages)
	return h, nil
}

// days sums runs and outages up by the day, in the time zone of now.
func days(now time.Time, runs []job.Run, outages []Outage) []Day {
	all := make([]Day, historyDays)
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
			from, to := o.Started.Time, o.Ended.Time
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
