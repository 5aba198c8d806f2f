import './compile-cache.cjs';

const { runClientProgram } = await import('./cli/program.ts');
await runClientProgram();
