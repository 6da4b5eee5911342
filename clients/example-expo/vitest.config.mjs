// The logic has no packages of its own: its tests and types borrow those of ../typescript.
export default { resolve: { alias: { vitest: new URL("../typescript/node_modules/vitest/dist/index.js", import.meta.url).pathname } } };
