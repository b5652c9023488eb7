/** Decides checks on the thread it runs on. The pairing library is loaded when the first check needs it. */
import type { Curve } from '@yilian/crypto/curve';
import { createMclCurve } from '@yilian/crypto/curve-mcl';
import { runCheck } from '@yilian/ledger/checks';
import type { Statement } from './check-frame.ts';
import { verifySignature } from './verify-signature.ts';

let loading: Promise<Curve> | undefined;

function loadCurve(): Promise<Curve> {
  loading ??= createMclCurve();
  return loading;
}

const NO_ID = new Uint8Array(0);

function verifyStatement({ key, message, signature }: Statement): boolean {
  return verifySignature({ publicKey: key, message, signature });
}

/** One answer per statement, in order. Statements of one batch are decided without a pause. */
export async function runChecks(
  statements: readonly Statement[],
): Promise<Uint8Array<ArrayBuffer>> {
  const answers = new Uint8Array(statements.length);
  const needsCurve = statements.some(({ scheme }) => scheme !== 'ed25519');
  const curve = needsCurve ? await loadCurve() : undefined;
  for (const [i, statement] of statements.entries()) {
    const holds =
      curve === undefined || statement.scheme === 'ed25519'
        ? verifyStatement(statement)
        : runCheck({ id: NO_ID, ...statement }, { curve, verifySignature });
    answers[i] = holds ? 1 : 0;
  }
  return answers;
}
