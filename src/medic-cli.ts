import { enableCompileCache } from 'node:module';
import path from 'node:path';

enableCompileCache(path.join(import.meta.dirname, '../node_modules/.cache/medic'));

const { runClientProgram } = await import('./cli/program.ts');
await runClientProgram();
