package config

import (
	"maps"
	"slices"
)

// Type is what Stash's settings page edits a setting as; the word is that of the
// plugin's manifest.
type Type string

// The types that Stash has.
const (
	String  Type = "STRING"
	Boolean Type = "BOOLEAN"
	Number  Type = "NUMBER"
)

// Setting describes a setting. The manifest says the same, and a test compares
// them.
type Setting struct {
	Name string
	Type Type
	// Default is what an unset value means, in words; "" = nothing. Stash itself
	// knows no defaults: it shows what is unset as 0, off or empty, so every Boolean
	// is off.
	Default     string
	Description string
}

// Settings returns all settings, in the order of the manifest.
func Settings() []Setting {
	return []Setting{
		{"plexUrl", String, "", "Required. For example http://192.168.1.10:32400, as Stash reaches it (in Docker, not localhost)."},
		{"plexToken", String, "", "Required. The X-Plex-Token of the server's owner. It is never logged."},
		{"pathRules", String, "", `How Stash's paths map to Plex's, separated by semicolons. For example /data => /media; D:\videos => /videos. Leave empty if both see the same paths.`},
		{"plexLibraries", String, "", "Names of the libraries to sync, separated by commas. Leave empty for every movie library."},
		{"fields", String, "title, summary, date, studio, director, performers, tags, collections, poster", "What is synced, separated by commas. Leave empty for title, summary, date, studio, director, performers, tags, collections, poster. Also: rating, background, labels, contentRating, originalTitle, tagline, sortTitle, photos. default means the first nine; -name removes one."},
		{"collections", String, "studio", "What becomes a collection in Plex, separated by commas: studio, parents (of studios), groups. Leave empty for studio."},
		{"contentRating", String, "", "A content rating for every synced item, for example XXX. Leave empty for none."},
		{"labels", String, "", "Labels for every synced item, separated by commas. Leave empty for none."},
		{"genreTags", String, "", "Which tags become genres, separated by commas. under:Name means the tag Name and all tags below it; -Name takes tags away; * matches anything. Leave empty for all tags."},
		{"labelTags", String, "", "Which tags become labels, written like genre tags. Leave empty for none."},
		{"titleTemplate", String, "", "How a title reads in Plex, for example {studio} - {title}. Fields: title, studio, parent, date, year, code, performers, director, rating, resolution. Leave empty for the title in Stash."},
		{"posterShape", String, "", "The shape of posters: original, fit (2:3, the whole cover on black), blur (2:3, on its own blurred enlargement) or crop (2:3, from the middle). Plex keeps every poster it is sent, and a new shape sends each once more. Leave empty for original."},
		{"paused", Boolean, "off", "Edits are queued, and nothing is written to Plex."},
		{"onlyOrganized", Boolean, "off", "Scenes that are not marked as organized are not synced."},
		{"onlyStashIds", Boolean, "off", "Scenes without a stash-box ID are not synced."},
		{"onlyTags", String, "", "Only scenes with one of these tags are synced, separated by commas. under:Name means the tag Name and all tags below it; * matches anything. Leave empty for all scenes."},
		{"excludeTags", String, "", "Scenes with one of these tags are not synced. Names or ids, separated by commas; under:Name means the tag Name and all tags below it; * matches anything."},
		{"onlyPaths", String, "", "Only scenes with a file in one of these folders are synced, separated by commas. For example /data/films, **/favorites/**. * means any text in a name, ** any folders. Leave empty for all scenes."},
		{"excludePaths", String, "", "Scenes with a file in one of these folders are not synced. Written like the paths above."},
		{"keepPlexEdits", Boolean, "off", "What you change in Plex after PlexSync wrote it stays."},
		{"mirrorLists", Boolean, "off", "Genres, actors, directors and collections in Plex become exactly those in Stash. If this is off, what you added in Plex stays."},
		{"leaveUnlocked", Boolean, "off", "Fields are not locked in Plex. A metadata refresh may then overwrite them."},
		{"plexIsSubset", Boolean, "off", "Scenes whose files Plex does not have are skipped without a report."},
		{"scanPlex", Boolean, "off", "Asks Plex to scan the folder of a file that it does not have yet."},
		{"insecureTLS", Boolean, "off", "For https addresses with a certificate that does not match. Anyone between Stash and Plex could then read the token."},
		{"maxRetries", Number, "5", "How many times a failing scene is tried again before it needs your attention. 0 means 5."},
		{"dlqRetentionDays", Number, "30", "Failed items older than this are deleted. 0 means 30."},
		{"compareEveryHours", Number, "24", "How often the whole library is compared with Plex. 0 means 24, -1 means never."},
		{"hidePaths", Boolean, "off", "Replaces paths, titles and names in the log, for logs that you share."},
		{"verbose", Boolean, "off", "Logs every scene, changed or not."},
	}
}

// Names returns the names of all settings, in the order of the manifest.
func Names() []string {
	var all []string
	for _, s := range Settings() {
		all = append(all, s.Name)
	}
	return all
}

// Unknown returns the names in settings that Parse ignores, sorted: what another
// version of the plugin left over, as Stash keeps settings for good. They are worth
// a line for who looks for a fault, and no more.
func Unknown(settings map[string]any) []string {
	names := Names()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(settings)), func(name string) bool { return slices.Contains(names, name) })
}
