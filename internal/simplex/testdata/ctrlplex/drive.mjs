// Usage: node drive.mjs URL TOKEN IMAGE_URL
//
// Does with @ctrl/plex what a client does with a Plex server, and prints what
// it saw as one JSON document. The test that runs it looks at the server.
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';

// The client identifies itself by the first network card's address and fails
// where there is none.
os.networkInterfaces = () => ({
  eth0: [{ address: '192.0.2.1', family: 'IPv4', internal: false, mac: '02:00:00:00:00:01' }],
});
syncBuiltinESMExports();

const { PlexServer, MovieSection } = await import('@ctrl/plex');
const [url, token, imageURL] = process.argv.slice(2);

const server = new PlexServer(url, token);
await server.connect();
const library = await server.library();
const sections = await library.sections();
const section = await library.section('Videos');
const listed = await section.all();

const movie = async title => {
  const all = await section.all('addedAt:desc');
  const found = all.find(m => m.title === title);
  await found.reload();
  return found;
};

const first = await movie('Harbour at night');
const files = await first.locations();
await first.edit({
  'title.value': 'Harbour & café, by "night" + rain',
  'title.locked': 1,
  'originallyAvailableAt.value': '2024-02-29',
});
await first.addGenre(['Drama', 'Night, long']);
const genresAdded = first.genres.map(g => g.tag);
await first.edit({ 'genre[].tag.tag-': encodeURIComponent('Night, long') });
await first.reload();
const genresLeft = first.genres.map(g => g.tag);
await first.addLabel(['Watched']);
await first.addCollection(['Studio One']);
await first.edit({
  'actor[0].tag.tag': 'Jane Doe',
  'actor[0].tagging.text': 'Captain',
  'actor[1].tag.tag': 'John Roe',
});
await first.reload();
const roles = first.roles.map(r => ({ tag: r.tag, role: r.role }));
await first.rate(8.5);
await first.uploadPoster(imageURL);
const png = Buffer.from(await (await fetch(imageURL)).arrayBuffer());
await first.uploadPoster(undefined, Buffer.concat([png, Buffer.from('changed')]));
const posters = (await first.posters()).map(p => ({ ratingKey: p.ratingKey, selected: p.selected }));

const second = await movie('Lighthouse');
await second.addGenre(['drama']);
const secondGenres = second.genres.map(g => g.tag);
await second.removeGenre(['drama']);

const collections = await section.collections();
const items = await collections[0].items();
const found = await section.search({ title: 'lighth' });
await section.update();
const scanned = await section.all();

console.log(
  JSON.stringify({
    machineIdentifier: server.machineIdentifier,
    sections: sections.map(s => ({ key: s.key, title: s.title, movies: s instanceof MovieSection })),
    locations: section.locations.map(l => l.path),
    listed: listed.map(m => m.title),
    files,
    title: first.title,
    year: first.year,
    userRating: first.userRating,
    genresAdded,
    genresLeft,
    secondGenres,
    roles,
    posters,
    collections: collections.map(c => ({ title: c.title, size: c.size })),
    items: items.map(i => i.ratingKey),
    found: found.map(m => m.title),
    scanned: scanned.map(m => m.title),
  }),
);
