package stash

// The queries, each whole and in one place: a test checks them against the schema
// of a real Stash.

// sceneFields is what a scene's wanted state, match and cover need.
const sceneFields = `
fragment S on Scene {
	id title code details director date rating100 organized updated_at
	files { path size duration }
	paths { screenshot }
	studio { id name parent_studio { id name parent_studio { id name parent_studio { id name } } } }
	performers { id name image_path }
	tags { id name }
	groups { group { id name } }
}`

const stateQuery = `query {
	version { version }
	configuration { plugins(include: ["plexsync"]) }
}`

const scenesQuery = `query ($ids: [ID!]) {
	findScenes(ids: $ids) { scenes { ...S } }
}` + sceneFields

// sceneQuery is the beginning of a query for scenes one by one, which tells the
// ones that are missing; see Client.each.
const sceneQuery = `s%d: findScene(id: %d) { ...S } `

const sceneIDsQuery = `query ($which: SceneFilterType, $page: Int!, $size: Int!) {
	findScenes(scene_filter: $which, filter: {page: $page, per_page: $size, sort: "id", direction: ASC}) { scenes { id } }
}`

const byPathQuery = `query ($path: String!, $size: Int!) {
	findScenes(scene_filter: {path: {value: $path, modifier: INCLUDES}}, filter: {per_page: $size, sort: "id", direction: ASC}) {
		scenes { ...S }
	}
}` + sceneFields

const runTaskMutation = `mutation ($description: String!, $args: Map!) {
	runPluginTask(plugin_id: "plexsync", description: $description, args_map: $args)
}`

const jobQuery = `query ($id: ID!) {
	findJob(input: {id: $id}) { status }
}`
