import { expect, test } from 'vitest';
import { EnrolmentError } from '@yilian/node/network/enrolment-error';
import { describeEnrolmentFailure, ENROLMENT_FAILURES } from '../src/enrolment-failure.ts';
import { describeFailure, EXIT } from '../src/exit-code.ts';

test('every failure names its file and what to do next, in both languages', () => {
  for (const [code, { sentence, next, exit }] of Object.entries(ENROLMENT_FAILURES)) {
    for (const words of [sentence.en, sentence.zh]) expect(words, code).toContain('{place}');
    for (const words of [next.en, next.zh]) expect(words, code).not.toContain('{');
    expect(sentence.zh, code).toMatch(/\p{Script=Han}/u);
    expect(next.zh, code).toMatch(/\p{Script=Han}/u);
    expect(EXIT[exit], code).toBeGreaterThan(0);
  }
});

test('a file that was altered is a failed verification, and the person reads which file', () => {
  const error = new EnrolmentError('answerForged', 'a $& b.cbor', 'not signed');
  expect(describeEnrolmentFailure(error, 'zh').message).toContain('a $& b.cbor');
  expect(describeFailure(error, 'en')).toMatchObject({
    exit: EXIT.verification,
    code: 'answerForged',
    detail: 'a $& b.cbor: not signed',
  });
});
