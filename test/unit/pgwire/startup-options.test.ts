import { expect, test } from 'vitest'
import { parseStartupOptions } from '../../../src/pgwire/startup-options.ts'

test.each([
  ['', []],
  ['-c a=b', [['a', 'b']]],
  [
    '  -ca=b\t--work-mem=64MB ',
    [
      ['a', 'b'],
      ['work_mem', '64MB'],
    ],
  ],
  [
    '-c search_path=a\\ b,\\\\c -c x=',
    [
      ['search_path', 'a b,\\c'],
      ['x', ''],
    ],
  ],
  [
    '-c geqo=off --options=x=y',
    [
      ['geqo', 'off'],
      ['options', 'x=y'],
    ],
  ],
])('parseStartupOptions(%j)', (text, expected) => {
  expect(parseStartupOptions(text)).toEqual(expected)
})
