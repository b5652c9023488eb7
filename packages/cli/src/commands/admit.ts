/** For the registration centre: one-time secrets for people, handed out in person. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { toHex } from '@yilian/crypto/bytes';
import { openRegulatorHome } from '@yilian/node/network/enrol-hospital';
import { leaveTicket } from '@yilian/node/network/ticket-folder';
import type { Command } from '../command.ts';
import { EXIT, UsageError } from '../exit-code.ts';

const ROLES = ['patient', 'doctor', 'department'] as const;
const INSTITUTION = /^[a-z0-9-]{1,64}$/;
/** As a certificate states it. */
const NAME = /^[^\p{Cc}]{1,128}$/u;

const admit: Command = {
  name: 'admit',
  usage: 'admit --node DIR --role patient|doctor|department --name NAME [--institution NAME]',
  summary: {
    en: 'registration centre: a one-time secret with which this person, and nobody of another name, enrols (a patient: the health card number as name)',
    zh: '注册中心：生成一次性口令，仅供此人注册（患者：姓名处填健康卡号）',
  },
  options: {
    node: { type: 'string' },
    role: { type: 'string' },
    institution: { type: 'string' },
    name: { type: 'string' },
  },
  run: async (session, options) => {
    const wished = options.required('role');
    const role = ROLES.find((each) => each === wished);
    if (role === undefined)
      throw new UsageError('notOneOf', { name: 'role', values: ROLES.join(', ') });
    const name = options.required('name');
    if (!NAME.test(name)) throw new UsageError('badPersonName');
    const institution = role === 'patient' ? '' : options.required('institution');
    if (role !== 'patient' && !INSTITUTION.test(institution))
      throw new UsageError('badInstitution');
    const { home } = openRegulatorHome(resolve(options.required('node')));
    const secret = new Uint8Array(randomBytes(16));
    const file = new Uint8Array(randomBytes(16));
    leaveTicket(home, { secret, role, institution, name }, file);
    session.answer({ role, institution, secret: toHex(secret) }, [
      toHex(secret),
      session.say('secretMade'),
    ]);
    return EXIT.ok;
  },
};

export const REGISTRATION_COMMANDS: readonly Command[] = [admit];
