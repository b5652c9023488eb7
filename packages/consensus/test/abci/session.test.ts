/** One ABCI connection: bytes cut anywhere, answers given in any order, what is no request. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bytes, concatBytes, utf8 } from '@yilian/crypto/bytes';
import { decodeResponse, encodeRequestFrame } from '../../src/abci/envelope.ts';
import { FrameSplitter } from '../../src/abci/frame-splitter.ts';
import type { Response } from '../../src/abci/responses.ts';
import { AbciSession, type Asked } from '../../src/abci/session.ts';

/** What a client reads from these bytes. */
function responsesIn(bytes: Bytes): readonly (Response | undefined)[] {
  const found: (Response | undefined)[] = [];
  const fault = new FrameSplitter(1 << 20).push(bytes, (frame) => {
    found.push(decodeResponse(frame));
  });
  expect(fault).toBeUndefined();
  return found;
}

const query = (n: number): Bytes =>
  encodeRequestFrame('query', { data: Uint8Array.of(n), path: 'p', height: 0n, prove: false });
const echo = (n: number): Bytes => encodeRequestFrame('echo', { message: String(n) });
const flush: Bytes = encodeRequestFrame('flush', {});

/** Answers a query with the number that was asked with. */
function answer(session: AbciSession, asked: Asked): void {
  if (asked.request.kind !== 'query' || asked.ticket.kind !== 'query')
    throw new Error('a query was expected');
  const key = asked.request.body.data;
  session.answer(asked.ticket, {
    code: 0,
    log: '',
    info: '',
    index: 0n,
    key,
    value: new Uint8Array(0),
    proofOps: undefined,
    height: 0n,
    codespace: '',
  });
}

const label = (response: Response | undefined): string => {
  if (response?.kind === 'query') return `query ${response.body.key[0]}`;
  if (response?.kind === 'echo') return `echo ${response.body.message}`;
  return response?.kind ?? 'nothing';
};

describe('a connection', () => {
  test('answers leave in the order of requests, whatever the chunks and the order of the answers', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('query', 'echo', 'flush'), { minLength: 1, maxLength: 40 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        fc.infiniteStream(fc.nat()),
        (kinds, cuts, choices) => {
          const stream = concatBytes(
            ...kinds.map((kind, n) =>
              kind === 'query' ? query(n) : kind === 'echo' ? echo(n) : flush,
            ),
          );
          const expected = kinds.map((kind, n) => (kind === 'flush' ? 'flush' : `${kind} ${n}`));
          const session = new AbciSession();
          const waiting: Asked[] = [];
          let output: Bytes = new Uint8Array(0);
          for (let at = 0, i = 0; at < stream.length; i++) {
            const size = cuts[i % cuts.length] ?? 1;
            const { asked, fault } = session.receive(stream.slice(at, at + size));
            expect(fault).toBeUndefined();
            waiting.push(...asked);
            at += size;
            const choice = choices.next().value ?? 0;
            if (choice % 3 === 0 && waiting.length > 0) {
              const [chosen] = waiting.splice(choice % waiting.length, 1);
              if (chosen !== undefined) answer(session, chosen);
            }
            output = concatBytes(output, session.takeOutput());
            const sofar = responsesIn(output).map(label);
            expect(sofar).toEqual(expected.slice(0, sofar.length));
          }
          for (const asked of waiting.toReversed()) answer(session, asked);
          output = concatBytes(output, session.takeOutput());
          expect(responsesIn(output).map(label)).toEqual(expected);
          expect(session.pending).toBe(0);
          expect(session.isBetweenRequests).toBe(true);
        },
      ),
    );
  });

  test('Flush is answered behind everything before it, and at once when nothing is', () => {
    const session = new AbciSession();
    const { asked } = session.receive(concatBytes(query(1), flush, echo(2)));
    expect(session.takeOutput().length).toBe(0);
    for (const each of asked) answer(session, each);
    expect(responsesIn(session.takeOutput()).map(label)).toEqual(['query 1', 'flush', 'echo 2']);
    session.receive(flush);
    expect(responsesIn(session.takeOutput()).map(label)).toEqual(['flush']);
  });

  test('thousands of answers in reverse order all leave, and are forgotten', () => {
    const session = new AbciSession();
    const count = 5_000;
    const stream = concatBytes(...Array.from({ length: count }, (_, n) => query(n % 256)));
    const { asked } = session.receive(stream);
    for (const each of asked.toReversed()) answer(session, each);
    expect(responsesIn(session.takeOutput()).length).toBe(count);
    const again = session.receive(query(7));
    expect(again.asked[0]?.ticket.place).toBe(count);
    for (const each of again.asked) answer(session, each);
    expect(responsesIn(session.takeOutput()).map(label)).toEqual(['query 7']);
  });

  test('a long frame in single bytes arrives whole', () => {
    const data = new Uint8Array(300_000).fill(7);
    const stream = encodeRequestFrame('query', { data, path: '', height: 0n, prove: true });
    const session = new AbciSession();
    const asked: Asked[] = [];
    for (let at = 0; at < stream.length; at++)
      asked.push(...session.receive(stream.subarray(at, at + 1)).asked);
    const [only] = asked;
    expect(asked.length).toBe(1);
    expect(only?.request.kind === 'query' && only.request.body.data.length).toBe(300_000);
  });
});

describe('what is no request', () => {
  const faultOf = (bytes: Bytes, frameBytesMax = 1_000): string | undefined =>
    new AbciSession({ frameBytesMax }).receive(bytes).fault;

  test('a frame beyond the limit is refused before its bytes are there', () => {
    expect(faultOf(Uint8Array.of(0xe9, 0x07))).toBe('frameTooLarge');
    expect(faultOf(Uint8Array.of(0xe8, 0x07))).toBeUndefined();
    expect(faultOf(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x7f), 2 ** 40)).toBeUndefined();
    expect(faultOf(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x80), 2 ** 40)).toBe('malformed');
  });

  test('frames of servers before v0.37, whose lengths are zig-zag, are not spoken', () => {
    const frame = query(1);
    const old = Uint8Array.of((frame[0] ?? 0) << 1, ...frame.slice(1), ...frame);
    expect(faultOf(old)).toBe('malformed');
  });

  test('an empty frame and a method of another version are unknown', () => {
    expect(faultOf(Uint8Array.of(0))).toBe('unknownRequest');
    expect(faultOf(Uint8Array.of(2, 0x22, 0))).toBe('unknownRequest');
    expect(faultOf(Uint8Array.of(3, 0xaa, 0x01, 0))).toBe('unknownRequest');
  });

  test('noise ends the session with one of the named faults, never otherwise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), (noise) => {
        const { fault } = new AbciSession({ frameBytesMax: 64 }).receive(noise);
        expect([undefined, 'frameTooLarge', 'malformed', 'unknownRequest']).toContain(fault);
      }),
      { numRuns: 2_000 },
    );
  });

  test('requests before the fault are handed out, none behind it, and nothing but the exception leaves', () => {
    const session = new AbciSession();
    const { asked, fault } = session.receive(
      concatBytes(query(1), query(2), Uint8Array.of(0), query(3)),
    );
    expect(fault).toBe('unknownRequest');
    expect(asked.length).toBe(2);
    for (const each of asked) answer(session, each);
    expect(responsesIn(session.takeOutput())).toEqual([
      { kind: 'exception', body: { error: 'unknownRequest' } },
    ]);
    expect(session.ended).toBe(true);
  });

  test('after an exception nothing is read or answered any more', () => {
    const session = new AbciSession();
    const { asked } = session.receive(concatBytes(query(1), query(2)));
    session.end('broken');
    session.end('broken twice');
    for (const each of asked) answer(session, each);
    expect(session.receive(flush)).toEqual({ asked: [], fault: 'closed' });
    expect(responsesIn(session.takeOutput())).toEqual([
      { kind: 'exception', body: { error: 'broken' } },
    ]);
    expect(session.takeOutput().length).toBe(0);
  });

  test('a request has one answer', () => {
    const session = new AbciSession();
    const { asked } = session.receive(concatBytes(query(1), query(2)));
    const [first, second] = asked;
    if (first === undefined || second === undefined) throw new Error('two were asked');
    answer(session, second);
    expect(() => answer(session, second)).toThrow(/assertion/);
    answer(session, first);
    expect(() => answer(session, first)).toThrow(/assertion/);
  });

  test('text that is not UTF-8 is malformed', () => {
    const good = encodeRequestFrame('echo', { message: '医链' });
    const bad = Uint8Array.from(good);
    bad.set([0xff], good.length - utf8('医链').length);
    expect(faultOf(good)).toBeUndefined();
    expect(faultOf(bad)).toBe('malformed');
  });
});
