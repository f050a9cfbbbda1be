// Seeds of random tests: given by the environment, else the same in every default run (a change must not fail for what it has not touched) and
// another in every long one (LONG=1).

export function testSeed(variable = 'FUZZ_SEED'): number {
  const given = process.env[variable]
  if (given !== undefined) return Number(given)
  return process.env['LONG'] === '1' ? Math.floor(Math.random() * 2 ** 31) : 20_261_121
}
