import { expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { jsonLines, prettyJson } from '../src/pretty-json.ts';

test('each line knows the place of its value, whatever the names of the members are', () => {
  const value = { '': [1, [], { 'a/b': 'x', '~1': true }], 'c:"d': null, e: {}, 'f\\': ['{', ','] };
  const canonical = JSON.stringify(value);
  const places = [...jsonLines(canonical)].flatMap(({ text, pointer }) =>
    pointer === undefined ? [] : [[pointer, text.trim()]],
  );
  expect(places).toEqual([
    ['//0', '1,'],
    ['//2/a~1b', '"a/b": "x",'],
    ['//2/~01', '"~1": true'],
    ['/c:"d', '"c:\\"d": null,'],
    ['/f\\/0', '"{",'],
    ['/f\\/1', '","'],
  ]);
  expect(JSON.parse(prettyJson(canonical))).toEqual(value);
  expect([...jsonLines('"text"')]).toEqual([{ text: '"text"', pointer: '' }]);
  expect([...jsonLines('no json {')]).toEqual([{ text: 'no json {' }]);
});

verifies('APR-3', 'deep arguments with long names cost no more memory than a few times their length', () => {
  let value: unknown = Array.from({ length: 20_000 }, () => 1);
  for (let depth = 0; depth < 10; depth += 1) value = { [`${depth}`.padEnd(500, 'k')]: value };
  const text = JSON.stringify(value);
  let held = 0;
  for (const line of jsonLines(text)) held += line.text.length + (line.pointer?.length ?? 0);
  expect(held).toBeLessThan(20 * text.length);
});

verifies('APR-9', 'a place that is too long to have an origin is none, and what follows it has its own', () => {
  const text = JSON.stringify({ ['k'.repeat(127)]: 1, ['l'.repeat(128)]: [2], m: [3] });
  const places = [...jsonLines(text)].map(({ pointer }) => pointer).filter((pointer) => pointer !== undefined);
  expect(places).toEqual([`/${'k'.repeat(127)}`, '/m/0']);
});
