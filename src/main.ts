import './compile-cache.cjs';

await import('./commands.ts');
