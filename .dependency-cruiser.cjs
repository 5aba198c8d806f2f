/**
 * The import table. Everything points in one direction:
 *   main → commands → operate → lifecycle → {api, worker} → app → http, features → platform
 *                   → cli → platform
 * Between features only what FEATURES lists.
 */
const FEATURES = {
  audit: [],
  access: ['audit'],
  services: ['heartbeats', 'alerts', 'routing', 'audit'],
  heartbeats: ['alerts', 'routing', 'audit'],
  alerts: ['routing', 'notifications', 'audit'],
  routing: ['notifications', 'audit'],
  notifications: ['audit'],
  playbooks: ['heartbeats', 'audit'],
  events: ['services', 'alerts', 'notifications', 'access'],
  health: [],
};

const names = Object.keys(FEATURES);
const others = (name) => names.filter((other) => other !== name && !FEATURES[name].includes(other));

module.exports = {
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'nothing-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'platform-knows-nothing-of-medic',
      severity: 'error',
      from: { path: '^src/platform' },
      to: { path: '^src/(http|features|[^/]+\\.ts$)' },
    },
    {
      name: 'client-commands-speak-http-only',
      severity: 'error',
      from: { path: '^src/cli' },
      // Apart from the parser of playbooks, which takes a text and returns values, so that it works without a server.
      to: {
        path: '^src/',
        pathNot: '^src/(cli/|platform/(time|environment)\\.ts$|features/playbooks/document\\.ts$)',
      },
    },
    {
      name: 'client-commands-are-for-the-program-only',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli/|(commands|medic-cli)\\.ts$)' },
      to: { path: '^src/cli/' },
    },
    {
      name: 'http-knows-platform-and-access-only',
      severity: 'error',
      from: { path: '^src/http' },
      to: { path: '^src/(features/(?!access/)|features/access/(store|routes)|[^/]+\\.ts$)' },
    },
    {
      name: 'features-do-not-know-their-wiring',
      severity: 'error',
      from: { path: '^src/features' },
      to: { path: '^src/[^/]+\\.ts$' },
    },
    {
      name: 'only-routes-know-http',
      severity: 'error',
      from: { path: '^src/features', pathNot: '/routes[^/]*\\.ts$' },
      to: { path: '^src/http' },
    },
    {
      name: 'routes-are-for-api-only',
      severity: 'error',
      from: { pathNot: '^src/(api|lifecycle)\\.ts$|^test/' },
      to: { path: '^src/features/[^/]+/routes[^/]*\\.ts$' },
    },
    {
      name: 'stores-are-private-to-their-feature',
      severity: 'error',
      from: { path: '^src/features/([^/]+)/' },
      to: { path: '^src/features/[^/]+/store[^/]*\\.ts$', pathNot: '^src/features/$1/' },
    },
    {
      name: 'nobody-outside-uses-a-store',
      severity: 'error',
      from: { path: '^src/[^/]+\\.ts$' },
      to: { path: '^src/features/[^/]+/store[^/]*\\.ts$' },
    },
    {
      name: 'deciding-files-take-values-and-return-values',
      severity: 'error',
      from: {
        path: [
          '^src/features/.*/(expectation|vitality|status|machine|reason|decide|facts)\\.ts$',
          '^src/features/(routing/(hours|window|decide-end|decision|earlier|mask)|notifications/turn|heartbeats/missed)\\.ts$',
          '^src/features/(audit/(bounded|csv)|events/(narrate|frame|window))\\.ts$',
          '^src/features/playbooks/(document/[^/.]+|document|duration|json-schema|limits|playbook|script-content)\\.ts$',
        ],
      },
      // Reading YAML is deciding, too.
      to: { path: '^src/(platform|http)|/store[^/]*\\.ts$|^node_modules', pathNot: '^node_modules/yaml/' },
    },
    ...names.map((name) => ({
      name: `features-${name}`,
      comment: `${name} may import ${FEATURES[name].join(', ') || 'no other feature'}`,
      severity: 'error',
      from: { path: `^src/features/${name}/` },
      to: { path: `^src/features/(${others(name).join('|')})/` },
    })),
    {
      name: 'features-are-in-the-table',
      severity: 'error',
      from: {},
      to: { path: '^src/features/', pathNot: `^src/features/(${names.join('|')})/` },
    },
  ],
};
