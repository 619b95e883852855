package main

import (
	"encoding/json"
	"time"

	"github.com/plexsync/plexsync/internal/job"
)

// The public interface: what a call can ask for and what it is answered, as
// docs/interface.md promises it. Everything that the page, a shell with --json or
// another program can rely on is a type in this file, and its comments are that page's
// text: a test writes its tables from here, and fails while they differ.
//
// The rules that hold for all of it:
//
//   - Within a version, names are added. None is removed and none changes its meaning.
//   - A name is always there. What is not known, or not the case, is null for times,
//     numbers and objects, and "" for texts and enumerated values.
//   - Lists and maps are never null.
//   - Enumerated values are lower case with underscores, and have a type here.

// interfaceVersion is the only version there is.
const interfaceVersion = 1

// Answer is the envelope of every answer to a call that names a version.
type Answer struct {
	V    int `json:"v"`
	Data any `json:"data"`
}

// ---- What values are made of ----------------------------------------------------

// Time is a time in an answer: RFC 3339 in UTC with milliseconds; null for none.
type Time struct{ time.Time }

// MarshalJSON writes a time that RFC 3339 cannot hold (a damaged row) as null too.
func (t Time) MarshalJSON() ([]byte, error) {
	u := t.UTC()
	if t.IsZero() || u.Year() < 0 || u.Year() > 9999 {
		return []byte("null"), nil
	}
	return []byte(u.Format(`"2006-01-02T15:04:05.000Z"`)), nil
}

// List is a list in an answer: [] if it is empty, never null.
type List[T any] []T

// MarshalJSON keeps a list that was never made from being null.
func (l List[T]) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("[]"), nil
	}
	return json.Marshal([]T(l))
}

// Tally counts things by name: {} if there are none, never null.
type Tally[K ~string] map[K]int

// MarshalJSON keeps a tally that was never made from being null.
func (t Tally[K]) MarshalJSON() ([]byte, error) {
	if t == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[K]int(t))
}

// enumerated is a text that is one of a few. Arguments are checked against it.
type enumerated interface{ values() []string }

func texts[E ~string](all ...E) []string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = string(v)
	}
	return out
}

// BreakerState is the state of the circuit breaker that guards Plex.
type BreakerState string

const (
	BreakerClosed   BreakerState = "closed"    // Plex can be used
	BreakerOpen     BreakerState = "open"      // Plex is out: nothing is sent but a probe, when it is due
	BreakerHalfOpen BreakerState = "half_open" // a probe was answered: one job goes through, and decides
)

func (BreakerState) values() []string { return texts(BreakerClosed, BreakerOpen, BreakerHalfOpen) }

// Class is a kind of failure.
type Class string

func (Class) values() []string {
	return texts(job.ClassUnreachable, job.ClassUnauthorized, job.ClassBusy, job.ClassNotInPlex, job.ClassAmbiguous,
		job.ClassRejected, job.ClassJoined, job.ClassGone, job.ClassUnreadable, job.ClassStashUnreachable, job.ClassInternal)
}

// Kind is the kind of object in Stash that a job is about. All but a scene stand for the
// scenes that show it; the library stands for every scene.
type Kind string

func (Kind) values() []string {
	return texts(job.KindScene, job.KindPerformer, job.KindStudio, job.KindTag, job.KindGroup, job.KindLibrary)
}

// System is one of the two servers.
type System string

func (System) values() []string { return texts(job.Plex, job.Stash) }

// Level is how a health check ended.
type Level string

const (
	LevelOK      Level = "ok"      // nothing to do
	LevelWarning Level = "warning" // PlexSync works, but not as you may expect
	LevelError   Level = "error"   // PlexSync cannot work until this is fixed
)

func (Level) values() []string { return texts(LevelOK, LevelWarning, LevelError) }

// Rung is by what an item was found, from the surest down.
type Rung string

const (
	RungPushed Rung = "pushed" // the item that was written before, if it still has the file
	RungPath   Rung = "path"   // the mapped path, exactly
	RungFolded Rung = "folded" // the mapped path, whatever its case and Unicode form
	RungSize   Rung = "size"   // the same file name and size
	RungTail   Rung = "tail"   // the same end of the path, with durations that agree
	RungName   Rung = "name"   // the same file name, with durations that agree
)

func (Rung) values() []string {
	return texts(RungPushed, RungPath, RungFolded, RungSize, RungTail, RungName)
}

// Exclusion is why a scene is left out.
type Exclusion string

const (
	ExcludedNoFile        Exclusion = "no_file"         // it has no file in Stash
	ExcludedNotOrganized  Exclusion = "not_organized"   // onlyOrganized is on, and it is not
	ExcludedNoStashID     Exclusion = "no_stash_id"     // onlyStashIds is on, and it has no stash-box ID
	ExcludedNoRequiredTag Exclusion = "no_required_tag" // it has none of the tags in onlyTags
	ExcludedTag           Exclusion = "tag"             // it has a tag of excludeTags
	ExcludedOutsidePaths  Exclusion = "outside_paths"   // it has no file that onlyPaths includes
	ExcludedPath          Exclusion = "path"            // it has a file that excludePaths excludes
	ExcludedOther         Exclusion = "other"           // the last comparison did not say why
)

func (Exclusion) values() []string {
	return texts(ExcludedNoFile, ExcludedNotOrganized, ExcludedNoStashID, ExcludedNoRequiredTag, ExcludedTag, ExcludedOutsidePaths, ExcludedPath, ExcludedOther)
}

// SceneState is the one state that a scene is in.
type SceneState string

const (
	SceneSynced          SceneState = "synced"           // Plex shows what Stash has
	SceneChanges         SceneState = "changes"          // something would be written, and no job is queued
	SceneWaiting         SceneState = "waiting"          // it is queued
	SceneNotInPlex       SceneState = "not_in_plex"      // Plex lacks its files
	SceneAmbiguous       SceneState = "ambiguous"        // several items match equally well
	SceneJoined          SceneState = "joined"           // its item belongs to another scene
	SceneWithoutMetadata SceneState = "without_metadata" // it has no metadata yet, so there is nothing to write
	SceneExcluded        SceneState = "excluded"         // the settings leave it out, or it has no file
	SceneFailed          SceneState = "failed"           // it failed, and needs your attention
	SceneUnknown         SceneState = "unknown"          // Plex or Stash could not be asked
	SceneGone            SceneState = "gone"             // Stash has no such scene
)

func (SceneState) values() []string {
	return texts(SceneSynced, SceneChanges, SceneWaiting, SceneNotInPlex, SceneAmbiguous, SceneJoined, SceneWithoutMetadata,
		SceneExcluded, SceneFailed, SceneUnknown, SceneGone)
}

// JobState is what a job in the queue is doing.
type JobState string

const (
	JobDue     JobState = "due"     // to be processed now
	JobLeased  JobState = "leased"  // being processed
	JobWaiting JobState = "waiting" // to be processed later
)

func (JobState) values() []string { return texts(JobDue, JobLeased, JobWaiting) }

// JobSort is what the queue can be sorted by.
type JobSort string

const (
	JobsByDue        JobSort = "due"         // the time of the next attempt; the default
	JobsByID         JobSort = "id"          // Stash's id of the object
	JobsByAttempt    JobSort = "attempt"     // failed attempts
	JobsByFirstEvent JobSort = "first_event" // how long it has been queued
)

func (JobSort) values() []string {
	return texts(JobsByDue, JobsByID, JobsByAttempt, JobsByFirstEvent)
}

// LetterSort is what dead letters can be sorted by.
type LetterSort string

const (
	LettersByDied     LetterSort = "died"     // when they were given up; the default, newest first
	LettersByID       LetterSort = "id"       // Stash's id of the object
	LettersByTitle    LetterSort = "title"    // the scene's title
	LettersByClass    LetterSort = "class"    // the kind of failure
	LettersByAttempts LetterSort = "attempts" // failed attempts
)

func (LetterSort) values() []string {
	return texts(LettersByDied, LettersByID, LettersByTitle, LettersByClass, LettersByAttempts)
}

// ---- Requests -------------------------------------------------------------------
//
// Arguments are read by [readArguments], whose comment explains the tags.

// CallRequest is what every call can say.
type CallRequest struct {
	// The version of the interface that the caller speaks: 1. Without it, the call is
	// that of a task.
	V    int    `json:"v" min:"1"`
	Mode string `json:"mode"` // what to do
	// Who asks for a drain: "hook" or "waker". Without it a person does, and what waits
	// is processed at once.
	By string `json:"by"`
}

// NoArguments is the request of a mode that takes none.
type NoArguments struct{}

// SceneRequest names a scene.
type SceneRequest struct {
	Scene int64 `json:"scene_id" min:"1" required:"true"` // Stash's id
}

// ExplainRequest names a scene to explain.
type ExplainRequest struct {
	SceneRequest
	// Read Plex's libraries again first. Otherwise the list of files that PlexSync
	// remembers is used.
	Fresh bool `json:"fresh"`
}

// ListRequest is which part of a list is wanted.
type ListRequest struct {
	Limit  int    `json:"limit" min:"0" max:"1000" default:"100"` // rows
	Offset int    `json:"offset" min:"0"`                         // rows to skip
	Search string `json:"search"`                                 // a text that a row contains, in any case
	Desc   bool   `json:"desc"`                                   // sort in descending order
}

// QueueRequest is which part of the queue is wanted.
type QueueRequest struct {
	ListRequest
	Show JobState `json:"show"` // only jobs in this state
	// Only jobs of scenes that Plex was seen to lack, the next due first. It goes with
	// limit and offset alone.
	Lacked bool    `json:"lacked"`
	Sort   JobSort `json:"sort"`
}

// LettersRequest selects dead letters. Without arguments it selects every one.
type LettersRequest struct {
	IDs    []int64 `json:"ids" min:"1"` // the letters' own ids
	Class  Class   `json:"class"`       // only letters of this class
	Review bool    `json:"review"`      // only letters that need your attention: all but not_in_plex and joined
}

// LetterListRequest is which part of the dead letters is wanted.
type LetterListRequest struct {
	ListRequest
	LettersRequest
	Sort LetterSort `json:"sort"`
}

// PreviewRequest is which part of a preview is wanted.
type PreviewRequest struct {
	After int64 `json:"after" min:"0"` // the id of the last scene of the part before
	// Items. Whole batches of scenes are looked at, so there may be some more.
	Limit int `json:"limit" min:"1" max:"1000" default:"100"`
}

// SettingsRequest is settings to try out.
type SettingsRequest struct {
	// Those that differ from the saved ones, by name. An empty plexToken stands for the
	// saved token, which is sent to the saved address only.
	Settings map[string]any `json:"settings"`
	Offline  bool           `json:"offline"` // only check the values; ask neither Plex nor Stash
}

// ---- Answers --------------------------------------------------------------------

// Count is how many things a call changed.
type Count struct {
	Count int `json:"count"` // how many
}

// Counts is the state of the queue and of the dead letters.
type Counts struct {
	Queued    int  `json:"queued"`      // jobs in all
	Due       int  `json:"due"`         // of these, to be processed now
	Leased    int  `json:"leased"`      // being processed
	Waiting   int  `json:"waiting"`     // to be processed later
	NextDue   Time `json:"next_due"`    // when the first waiting job is due; null if none waits
	Dead      int  `json:"dead"`        // dead letters that need your attention
	NotInPlex int  `json:"not_in_plex"` // dead letters of scenes that Plex lacks; they come back by themselves
	Joined    int  `json:"joined"`      // dead letters of scenes that share an item with another; they come back by themselves
}

// Breaker is the circuit breaker that guards Plex.
type Breaker struct {
	State     BreakerState `json:"state"`
	Since     Time         `json:"since"`      // when the outage began; null while closed
	NextProbe Time         `json:"next_probe"` // when Plex is asked again; null while closed
	Cause     Class        `json:"cause"`      // of the outage, or of the last failure that counted; "" for none
	Message   string       `json:"message"`    // the same in words
}

// Waker is the process that processes waiting jobs when their time comes.
type Waker struct {
	Alive      bool   `json:"alive"`       // it runs
	LastEnded  Time   `json:"last_ended"`  // when the last one ended; null if none ever did
	LastReason string `json:"last_reason"` // why it ended
}

// Run is one drain: a process that works through the queue.
type Run struct {
	Started   Time     `json:"started"`   // when it began
	Ended     Time     `json:"ended"`     // null while it runs, or if it was killed
	Done      int      `json:"done"`      // scenes after which Plex shows what Stash has
	Unchanged int      `json:"unchanged"` // scenes for which there was nothing to write
	Retry     int      `json:"retry"`     // attempts that failed and are repeated
	Waiting   int      `json:"waiting"`   // scenes that were put off at no cost: Plex or Stash is out
	Dead      int      `json:"dead"`      // scenes that became dead letters
	Gone      int      `json:"gone"`      // scenes that are no longer in Stash
	Writes    int      `json:"writes"`    // requests that changed something in Plex
	Cause     RunCause `json:"cause"`     // what started it; "" if that was not recorded
	Note      string   `json:"note"`      // why it ended before the queue was empty; "" if it did not
}

// RunCause is what started a run.
type RunCause string

const (
	RunEdit     RunCause = "edit"     // an edit in Stash
	RunPerson   RunCause = "person"   // you, or whoever called without saying who
	RunSchedule RunCause = "schedule" // the time for which something waited had come
)

func (RunCause) values() []string { return texts(RunEdit, RunPerson, RunSchedule) }

// Outage is a time in which a server could not be used.
type Outage struct {
	System  System `json:"system"`
	Started Time   `json:"started"` // when it began
	Ended   Time   `json:"ended"`   // null while it lasts
	Cause   Class  `json:"cause"`
	Message string `json:"message"` // the cause in words
	Waited  int    `json:"waited"`  // jobs that were waiting at its end
}

// Problem is something wrong with a setting.
type Problem struct {
	Setting string `json:"setting"` // its name
	Message string `json:"message"` // what is wrong, and a valid example
	Fatal   bool   `json:"fatal"`   // PlexSync cannot work until it is fixed
}

// Coverage is how many of Stash's scenes are in sync, and why the others are not. The
// counts add up to Scenes. A comparison makes them exact; between two of them, scenes that
// are left out or have no metadata are those that the last one found.
type Coverage struct {
	Scenes          int              `json:"scenes"`           // in Stash
	Synced          int              `json:"synced"`           // Plex shows what Stash has
	Waiting         int              `json:"waiting"`          // queued
	NotInPlex       int              `json:"not_in_plex"`      // Plex was seen to lack their files, whether they are queued or not
	Joined          int              `json:"joined"`           // their item belongs to another scene
	Dead            int              `json:"dead"`             // they need your attention
	Excluded        Tally[Exclusion] `json:"excluded"`         // left out, by the reason
	WithoutMetadata int              `json:"without_metadata"` // nothing to write
	Unchecked       int              `json:"unchecked"`        // PlexSync has not checked them yet
	Compared        Time             `json:"compared"`         // when the last comparison ended; null if none did
	NextCompare     Time             `json:"next_compare"`     // when the next one is due; null if none is scheduled
}

// Progress is how far a running sync or comparison is.
type Progress struct {
	Comparing bool    `json:"comparing"`  // it compares; otherwise it processes the queue
	Started   Time    `json:"started"`    // when it began
	Done      int     `json:"done"`       // scenes compared, or jobs processed
	Total     int     `json:"total"`      // of how many, as far as is known
	PerSecond float64 `json:"per_second"` // on average since it began
}

// Window is how available Plex was in the days before the answer.
type Window struct {
	Days         int      `json:"days"`         // 7, 30 or 90
	Since        Time     `json:"since"`        // what it counts from: its first day, or the first run or outage if that is later
	Availability *float64 `json:"availability"` // 0 to 1; null before the first run
	Out          float64  `json:"out_seconds"`  // how long Plex was out
	Outages      int      `json:"outages"`      // that began or went on in it
}

// Overview is the state of everything at a glance.
type Overview struct {
	Version string `json:"version"` // of PlexSync
	Now     Time   `json:"now"`     // when the answer was made, by the server's clock
	Counts
	Classes    Tally[Class]  `json:"classes"`  // dead letters by class
	Draining   bool          `json:"draining"` // the queue is being processed
	Paused     bool          `json:"paused"`   // by the setting
	Ready      bool          `json:"ready"`    // the settings are good enough to sync
	Problems   List[Problem] `json:"problems"`
	Breaker    Breaker       `json:"breaker"`
	Waker      Waker         `json:"waker"`
	Coverage   Coverage      `json:"coverage"`
	Progress   *Progress     `json:"progress"`    // of what runs now; null if nothing does
	Runs       List[Run]     `json:"runs"`        // the latest five, newest first
	LastOutage *Outage       `json:"last_outage"` // of Plex; null if there was none
	Machine    string        `json:"machine"`     // Plex's machine identifier, for links; "" until Plex has answered once
}

// Status is what the task "Show status" logs.
type Status struct {
	Version string `json:"version"` // of PlexSync
	Counts
	Coverage  Coverage      `json:"coverage"`
	LastEvent Time          `json:"last_event"` // the newest event of a queued job; null if there is none
	Draining  bool          `json:"draining"`   // the queue is being processed
	Breaker   Breaker       `json:"breaker"`
	Waker     Waker         `json:"waker"`
	LastRun   *Run          `json:"last_run"` // null before the first
	Problems  List[Problem] `json:"problems"` // of the settings
}

// OutageReport is the record of outages. Figures are about Plex.
type OutageReport struct {
	Outages      List[Outage] `json:"outages"`       // of Plex, newest first
	Stash        List[Outage] `json:"stash_outages"` // of Stash, newest first
	MTTR         *float64     `json:"mttr_seconds"`  // mean time to recovery, of outages that ended; null if none did
	MTBF         *float64     `json:"mtbf_seconds"`  // mean time from one outage's end to the next one's start; null before the second
	Availability *float64     `json:"availability"`  // 0 to 1: the share of the time since the first outage; null if there was none
	Windows      List[Window] `json:"windows"`       // the last 7, 30 and 90 days
}

// Day is a day of the history.
type Day struct {
	Day    string  `json:"day"`         // such as 2026-01-31, in the time zone of Stash's server
	Synced int     `json:"synced"`      // scenes that were written
	Out    float64 `json:"out_seconds"` // how long Plex was out
}

// History is the past runs and outages.
type History struct {
	OutageReport
	Runs List[Run] `json:"runs"` // the latest 200, newest first
	Days List[Day] `json:"days"` // the last 30, oldest first
}

// QueuedJob is a job in the queue.
type QueuedJob struct {
	Kind       Kind   `json:"kind"`
	ID         int64  `json:"id"`          // Stash's id of the object; 0 for the library
	Due        Time   `json:"due"`         // the earliest time of the next attempt
	Leased     bool   `json:"leased"`      // it is being processed
	Attempt    int    `json:"attempt"`     // failed attempts
	Missing    int    `json:"missing"`     // attempts for which Plex lacked the file; they are counted apart
	FirstEvent Time   `json:"first_event"` // since when it has been queued
	LastEvent  Time   `json:"last_event"`  // the newest event
	LastClass  Class  `json:"last_class"`  // how the last attempt failed; "" if none did
	LastError  string `json:"last_error"`  // the same in words
}

// QueueList is a part of the queue.
type QueueList struct {
	Total int             `json:"total"` // rows of the whole list
	Rows  List[QueuedJob] `json:"rows"`
}

// Attempt is an attempt that failed.
type Attempt struct {
	At    Time   `json:"at"`    // when it ended
	Class Class  `json:"class"` // how it failed
	Error string `json:"error"` // the same in words
}

// Letter is a dead letter: a job that was given up.
type Letter struct {
	ID        int64 `json:"id"` // the letter's own
	Kind      Kind  `json:"kind"`
	SubjectID int64 `json:"subject_id"` // Stash's id of the object; 0 for the library
	Class     Class `json:"class"`
	// Another attempt may succeed with nothing changed. If false, the scene, the item or
	// the settings have to be changed first.
	Retryable  bool          `json:"retryable"`
	Error      string        `json:"error"`       // the last failure in words
	Attempts   int           `json:"attempts"`    // how many failed
	Title      string        `json:"title"`       // the scene's, as it was; "" if never known
	Path       string        `json:"path"`        // of the scene's file, as Stash sees it; "" if never known
	FirstEvent Time          `json:"first_event"` // since when the job had been queued
	LastEvent  Time          `json:"last_event"`  // the newest event
	Died       Time          `json:"died"`        // when it was given up
	History    List[Attempt] `json:"history"`     // the last attempts, oldest first
	Item       string        `json:"item"`        // Plex's rating key of the item that the scene had; "" if it had none
}

// LetterList is a part of the dead letters.
type LetterList struct {
	Total   int          `json:"total"` // rows of the whole list
	Rows    List[Letter] `json:"rows"`
	Classes Tally[Class] `json:"classes"` // every dead letter, by class
}

// Explanation is why a scene is, or is not, in Plex as it is in Stash. Nothing in it is
// hidden by hidePaths: it is an answer to the person who asked.
type Explanation struct {
	Scene    int64               `json:"scene"`    // Stash's id
	Title    string              `json:"title"`    // "" if Stash has no such scene, or could not be asked
	Machine  string              `json:"machine"`  // Plex's id, for links to it; "" if it did not answer
	Decision string              `json:"decision"` // the result in a sentence
	State    SceneState          `json:"state"`    // the result in a word
	Class    Class               `json:"class"`    // the failure that keeps the scene from being synced; "" if none does
	InPlex   bool                `json:"in_plex"`  // Plex has an item for it, also if there is nothing to write
	Fitting  List[FittingItem]   `json:"fitting"`  // the items that match equally well, if several do
	Files    List[ExplainedFile] `json:"files"`
	Steps    List[ExplainedStep] `json:"steps"` // of the match, in the order in which they were tried
	Items    List[ExplainedItem] `json:"items"` // that belong to the scene
	Last     LastSync            `json:"last"`
}

// FittingItem is one of several items that match a scene equally well.
type FittingItem struct {
	Key        string `json:"key"`         // Plex's rating key
	Path       string `json:"path"`        // of its file, as Plex sees it
	Rule       string `json:"rule"`        // a path rule for this file alone, by which the item is the scene's; "" if none can be written
	FolderRule string `json:"folder_rule"` // the same for the file's whole folder; "" if the file has another name
}

// ExplainedFile is a file of a scene as each side sees it.
type ExplainedFile struct {
	Path   string `json:"path"`   // in Stash
	Mapped string `json:"mapped"` // in Plex
	Rule   string `json:"rule"`   // the path rule that was applied; "" for none
}

// ExplainedStep is one step of a match.
type ExplainedStep struct {
	Rung       Rung         `json:"rung"`
	Candidates List[string] `json:"candidates"` // items, in words
	Verdict    string       `json:"verdict"`    // what came of it, in words
}

// ExplainedItem is an item in Plex that belongs to a scene.
type ExplainedItem struct {
	Key        string               `json:"key"`  // Plex's rating key
	Path       string               `json:"path"` // of its file, as Plex sees it
	Rung       Rung                 `json:"rung"` // how it was found
	Fields     List[ExplainedField] `json:"fields"`
	Poster     bool                 `json:"poster"`     // a poster would be set
	Background bool                 `json:"background"` // a background would be set
	Lock       List[string]         `json:"lock"`       // fields that would be locked
	Unlock     List[string]         `json:"unlock"`     // fields that would be unlocked
}

// changes are the fields that would be written.
func (i ExplainedItem) changes() []ExplainedField {
	var all []ExplainedField
	for _, f := range i.Fields {
		if f.Write != nil {
			all = append(all, f)
		}
	}
	return all
}

// untouched reports whether nothing of the item would be written.
func (i ExplainedItem) untouched() bool {
	return len(i.changes()) == 0 && !i.Poster && !i.Background && len(i.Lock)+len(i.Unlock) == 0
}

// ExplainedField is a field of an item. Lists are joined by commas.
type ExplainedField struct {
	Field  string  `json:"field"`  // Plex's name of it, such as title or originallyAvailableAt
	Wanted string  `json:"wanted"` // what Stash has
	Base   string  `json:"base"`   // what PlexSync wrote last
	Plex   string  `json:"plex"`   // what Plex shows
	Locked bool    `json:"locked"` // in Plex
	Write  *string `json:"write"`  // what Plex would show afterwards; null if it would not be touched
	Kept   bool    `json:"kept"`   // Plex shows another value than Stash has, and it stays because keepPlexEdits is on
}

// LastSync is what happened to a scene before.
type LastSync struct {
	Pushed    Time   `json:"pushed"`     // when an item of it was last written; null if never
	Queued    bool   `json:"queued"`     // it has a job
	Due       Time   `json:"due"`        // the job's next attempt; null if it has none
	LastError string `json:"last_error"` // of the job's last attempt
	DeadClass Class  `json:"dead_class"` // of its dead letter; "" if it has none
	DeadError string `json:"dead_error"` // of its dead letter
}

// Preview is what a sync of every scene would write, or a part of it.
type Preview struct {
	Scenes   int           `json:"scenes"`    // scenes that were looked at
	Items    int           `json:"items"`     // items that would be written
	Same     int           `json:"same"`      // items that would not
	Fields   Tally[string] `json:"fields"`    // items that would be written, by field; poster, background and locks too
	Skipped  int           `json:"skipped"`   // scenes that the settings or missing metadata leave out
	NotFound int           `json:"not_found"` // scenes that Plex lacks, or that fit several items
	// Scenes that Stash cannot read.
	Unreadable int `json:"unreadable"`
	// The items that would be written; of a whole preview the first 1,000.
	First List[PreviewedItem] `json:"first"`
	Next  int64               `json:"next"` // the argument after of the next part; 0 at the end
}

// PreviewedItem is an item that would be written.
type PreviewedItem struct {
	Scene   int64                `json:"scene"` // Stash's id
	Title   string               `json:"title"` // the scene's
	Key     string               `json:"key"`   // Plex's rating key
	Changes List[ExplainedField] `json:"changes"`
	Poster  bool                 `json:"poster"` // the poster would be set
	Locks   bool                 `json:"locks"`  // fields would be locked or unlocked
}

// ItemRequest names an item of Plex's.
type ItemRequest struct {
	Key string `json:"key" required:"true"` // Plex's rating key
}

// Poster is the poster that an item shows now.
type Poster struct {
	Picture string `json:"picture"` // as an address that holds it (data:image/…); "" for none
}

// SettingsCheck is whether the saved settings are good enough to sync.
type SettingsCheck struct {
	Ready    bool          `json:"ready"` // no problem is fatal
	Problems List[Problem] `json:"problems"`
}

// SettingsTest is what settings lead to that need not be saved yet. Nothing is saved; the
// first time, the list of Plex's files is read, as the first sync would.
type SettingsTest struct {
	Ready     bool          `json:"ready"` // no problem is fatal
	Problems  List[Problem] `json:"problems"`
	Fields    List[Field]   `json:"fields"`    // every field that can be synced
	Reachable bool          `json:"reachable"` // Plex answers at the address
	Error     string        `json:"error"`     // why it does not, or why the test went no further; "" if nothing went wrong
	Cause     Class         `json:"cause"`     // the same as a class; "" if nothing went wrong
	Name      string        `json:"name"`      // of the server
	Version   string        `json:"version"`   // of Plex
	Machine   string        `json:"machine"`   // Plex's machine identifier
	MayEdit   *bool         `json:"may_edit"`  // the token is the owner's, who alone may edit; null if Plex does not say
	Libraries List[Library] `json:"libraries"` // of movies
	Folders   List[Folder]  `json:"folders"`   // Stash's
	Sample    *PathCheck    `json:"sample"`    // null if the server was not reached, or the settings do not suffice
}

// Field is a field that can be synced.
type Field struct {
	Name string `json:"name"` // as in the setting fields
	On   bool   `json:"on"`   // it is synced
}

// Library is a library of movies in Plex.
type Library struct {
	Key     string       `json:"key"`     // Plex's
	Title   string       `json:"title"`   // as Plex shows it
	Folders List[string] `json:"folders"` // as Plex sees them
	Synced  bool         `json:"synced"`  // by the setting plexLibraries
}

// Folder is one of Stash's folders, by the path rules.
type Folder struct {
	Stash   string `json:"stash"`   // its path in Stash
	Mapped  string `json:"mapped"`  // its path in Plex
	Rule    string `json:"rule"`    // the path rule that was applied; "" for none
	Found   bool   `json:"found"`   // it is in a synced library
	Suggest string `json:"suggest"` // a path rule that may help if it is not found; else ""
}

// PathCheck is how the path rules fit a sample of scenes.
type PathCheck struct {
	Scenes  int    `json:"scenes"`  // in the sample
	ByPath  int    `json:"by_path"` // that Plex has under their mapped path
	ByName  int    `json:"by_name"` // that Plex has under another path
	Missing int    `json:"missing"` // that Plex lacks
	Suggest string `json:"suggest"` // the path rule that would explain most of by_name; "" for none
	Example string `json:"example"` // a path that Plex lacks; "" for none
	// The first files of the sample.
	Files List[SampledFile] `json:"files"`
}

// SampledFile is a file of a sample as each side sees it.
type SampledFile struct {
	Path   string `json:"path"`    // in Stash
	Mapped string `json:"mapped"`  // in Plex, by the path rules
	ByPath bool   `json:"by_path"` // Plex has it there
	ByName bool   `json:"by_name"` // Plex has it under another path
}

// Health is the result of a health check.
type Health struct {
	OK     bool        `json:"ok"` // no check ended with an error
	Checks List[Check] `json:"checks"`
}

// Check is one part of a health check.
type Check struct {
	Name    string `json:"name"` // for people, such as Database or Paths
	Level   Level  `json:"level"`
	Message string `json:"message"` // what was found, and what to do about it
}

// Build is which PlexSync this is: what "plexsync --json version" prints.
type Build struct {
	Version string `json:"version"` // of PlexSync
	Commit  string `json:"commit"`  // that it was built from; "" if not by build.sh
	Date    string `json:"date"`    // of the commit, RFC 3339; "" if not built by build.sh
	System  string `json:"system"`  // such as linux/amd64
	Go      string `json:"go"`      // the version of Go that it was built with
}

// ---- Answers without a version ----------------------------------------------------
//
// What operations that name no version are answered besides the above. Their names stay
// as they are, too.

// Drained is how a drain ended. Either the run's names are there, or running, or paused.
type Drained struct {
	*Run
	Running bool `json:"running,omitempty"` // another drain runs, and processes these jobs too
	Paused  bool `json:"paused,omitempty"`  // by the setting
	Queued  *int `json:"queued,omitempty"`  // jobs that wait while it is paused
}

// Compared is how a compare ended, with the drain that it was a part of.
type Compared struct {
	Run      Drained     `json:"run"`
	Compared Comparison  `json:"compared"`  // the last one that ended
	UnderWay *Comparison `json:"under_way"` // one that is wanted or not finished; null if there is none
}

// Comparison is a compare of the whole library.
type Comparison struct {
	Asked Time  `json:"asked"` // when it was asked for
	Began Time  `json:"began"` // null if it has not begun
	Ended Time  `json:"ended"` // null while it is under way
	Full  bool  `json:"full"`  // every item is read in full, because a person asked
	Total int   `json:"total"` // scenes in Stash when it began
	After int64 `json:"after"` // the last scene that was looked at
	Found Found `json:"found"`
}

// Found is the scenes of a compare by what was found.
type Found struct {
	NeverPushed     int `json:"never_pushed"`     // PlexSync has not written them yet
	ChangedInStash  int `json:"changed_in_stash"` // since they were written
	ChangedInPlex   int `json:"changed_in_plex"`  // since they were written
	Rekeyed         int `json:"rekeyed"`          // their item has another key than before
	Gone            int `json:"gone"`             // no longer in Stash
	NotInPlex       int `json:"not_in_plex"`      // Plex lacks their files
	Joined          int `json:"joined"`           // share an item with another scene, which it belongs to
	Same            int `json:"same"`             // nothing to do
	WithoutMetadata int `json:"without_metadata"` // nothing to write
	Excluded        int `json:"excluded"`         // by a setting, or without a file
	Unreadable      int `json:"unreadable"`       // Stash cannot read them
	NoFile          int `json:"no_file"`          // of the excluded: without a file
	NotOrganized    int `json:"not_organized"`    // of the excluded: not organized, and onlyOrganized is on
	NoStashID       int `json:"no_stash_id"`      // of the excluded: without a stash-box ID, and onlyStashIds is on
	NoRequiredTag   int `json:"no_required_tag"`  // of the excluded: without any of the tags in onlyTags
	ByTag           int `json:"by_tag"`           // of the excluded: with a tag of excludeTags
	OutsidePaths    int `json:"outside_paths"`    // of the excluded: without a file that onlyPaths includes
	ByPath          int `json:"by_path"`          // of the excluded: with a file that excludePaths excludes
	Waiting         int `json:"waiting"`          // have a job already
	Dead            int `json:"dead"`             // have a dead letter that only a person or an event revives
	Queued          int `json:"queued"`           // jobs that were made
}
