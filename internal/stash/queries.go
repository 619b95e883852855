package stash

// The queries, each whole and in one place: a test checks every constant here
// against the schema of a real Stash. They fit Stash from v0.28 on.

// sceneFields is what a scene's wanted state, match and cover need.
const sceneFields = `
fragment S on Scene {
	id title code details director date rating100 organized updated_at
	files { path size duration width height }
	paths { screenshot }
	studio { id name parent_studio { id name parent_studio { id name parent_studio { id name } } } }
	performers { id name disambiguation image_path }
	tags { id name }
	groups { group { id name } }
}`

// andStashIDs is what replaces the spread of sceneFields where the ids of stash-boxes
// are asked for, too: Stash reads them one scene at a time.
const andStashIDs = `...S stash_ids { stash_id }`

const stateQuery = `query {
	version { version }
	configuration { plugins(include: ["plexsync"]) }
	plugins { id enabled }
}`

const apiKeyQuery = `query {
	configuration { general { apiKey } }
}`

const scenesQuery = `query ($ids: [ID!]) {
	findScenes(ids: $ids) { scenes { ...S } }
}` + sceneFields

// sceneAlias is one scene of a query for scenes one by one, which tells the ones
// that are missing; see Client.each.
const sceneAlias = `s%d: findScene(id: %[1]d) { ...S } `

// Listings go on after the last id that was seen, not by page number: so a scene
// that is destroyed meanwhile does not shift another one out of sight, and the
// hundredth page costs Stash no more than the first. Without a sort, Stash's lists
// have no order.

const allScenesQuery = `query ($which: SceneFilterType, $size: Int!) {
	findScenes(scene_filter: $which, filter: {per_page: $size, sort: "id", direction: ASC}) { scenes { ...S } }
}` + sceneFields

const sceneIDsQuery = `query ($which: SceneFilterType, $size: Int!) {
	findScenes(scene_filter: $which, filter: {per_page: $size, sort: "id", direction: ASC}) { scenes { id updated_at } }
}`

const sceneFilesQuery = `query ($which: SceneFilterType, $size: Int!) {
	findScenes(scene_filter: $which, filter: {per_page: $size, sort: "id", direction: ASC}) {
		scenes { id files { path size duration } }
	}
}`

const idsQuery = `query ($which: SceneFilterType, $size: Int!) {
	findScenes(scene_filter: $which, filter: {per_page: $size, sort: "id", direction: ASC}) { scenes { id } }
}`

const countQuery = `query {
	findScenes(filter: {per_page: 0}) { count }
}`

const countOfQuery = `query ($which: SceneFilterType) {
	findScenes(scene_filter: $which, filter: {per_page: 0}) { count }
}`

const newestQuery = `query {
	findScenes(filter: {per_page: 1, sort: "updated_at", direction: DESC}) { scenes { id updated_at } }
}`

// recentQuery asks for what scenes show, all four kinds in one request.
const recentQuery = `query ($since: TimestampCriterionInput!) {
	performers: findPerformers(performer_filter: {updated_at: $since}, filter: {per_page: -1}) { of: performers { id created_at updated_at } }
	studios: findStudios(studio_filter: {updated_at: $since}, filter: {per_page: -1}) { of: studios { id created_at updated_at } }
	tags: findTags(tag_filter: {updated_at: $since}, filter: {per_page: -1}) { of: tags { id created_at updated_at } }
	groups: findGroups(group_filter: {updated_at: $since}, filter: {per_page: -1}) { of: groups { id created_at updated_at } }
}`

const runTaskMutation = `mutation ($description: String!, $args: Map!) {
	runPluginTask(plugin_id: "plexsync", description: $description, args_map: $args)
}`

const runOperationMutation = `mutation ($args: Map!) {
	runPluginOperation(plugin_id: "plexsync", args: $args)
}`

const tasksQuery = `query {
	jobQueue { id status description }
}`

const findTaskQuery = `query ($id: ID!) {
	findJob(input: {id: $id}) { id status }
}`

const foldersQuery = `query {
	configuration { general { stashes { path } } }
}`

const tagsQuery = `query {
	findTags(filter: {per_page: -1}) { tags { id name parents { id } } }
}`
