/** The key of an admin that every Medic of the tests knows. */
export const ADMIN_KEY = `mdk_${'test-admin'.padEnd(43, '-')}`;
export const AUTHORIZATION = `Bearer ${ADMIN_KEY}`;
