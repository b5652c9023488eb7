/** Lists of validators for tests, on the consortium of consortium.ts: hospitals a to d, equal power. */
import { compareBytes } from '@yilian/crypto/bytes';
import type { ApproveValidators } from '../src/contracts/governance/approve-validators.ts';
import type { ChangeValidators } from '../src/contracts/governance/change-validators.ts';
import {
  type ValidatorEntry,
  type ValidatorMode,
  validatorChangeHash,
} from '../src/contracts/governance/validators.ts';
import { CHAIN_ID, introduce, signerOf } from './consortium.ts';

/** `a` … `d` are there from the beginning. */
export function validator(letter: string, changes: Partial<ValidatorEntry> = {}): ValidatorEntry {
  return {
    key: consensusSigner(letter).key,
    institution: `hospital-${letter}`,
    operator: `operator-${letter}`,
    power: 1,
    leads: letter !== 'd',
    ...changes,
  };
}

const signers = new Map<string, ReturnType<typeof signerOf>>();

export function consensusSigner(letter: string): ReturnType<typeof signerOf> {
  const known = signers.get(letter);
  if (known !== undefined) return known;
  const signer = signerOf(`consensus@hospital-${letter}`);
  introduce(signer);
  signers.set(letter, signer);
  return signer;
}

export function changeTo(
  validators: readonly ValidatorEntry[],
  changes: { readonly mode?: ValidatorMode; readonly epoch?: number } = {},
): ChangeValidators {
  const sorted = [...validators].sort((one, other) => compareBytes(one.key, other.key));
  return { type: 'changeValidators', epoch: 0, mode: 'equal', validators: sorted, ...changes };
}

export function approval(change: ChangeValidators): ApproveValidators {
  const hash = validatorChangeHash({ chainId: CHAIN_ID }, change);
  return { type: 'approveValidators', change: hash };
}

export const four: readonly ValidatorEntry[] = ['a', 'b', 'c', 'd'].map((each) => validator(each));
export const five: readonly ValidatorEntry[] = [...four, validator('e')];
