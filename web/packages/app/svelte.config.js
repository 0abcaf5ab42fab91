/** Read by svelte-check and eslint; the build names its options itself. */
const config = { compilerOptions: { runes: true } };

export default config;
