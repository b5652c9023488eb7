/**
 * The people of a scenario, each with keys and a connection of their own: nothing that one of them holds
 * or has read is seen by another.
 */
import type { Connection } from '@yilian/client/connect';
import { connectToDemo, type DemoConsortium } from '@yilian/client/demo-consortium';
import { createDoctor, type Doctor } from '@yilian/client/doctor';
import { enrolMember } from '@yilian/client/enrolment';
import {
  createKeyringSlot,
  createMemberKeyring,
  createPatientKeyring,
  importRecoveryKit,
  signerOf,
} from '@yilian/client/keyring';
import type { NetworkOptions } from '@yilian/client/network';
import { createPatient, type Patient } from '@yilian/client/patient';
import type { Platform } from '@yilian/client/platform/platform';
import { fromHex } from '@yilian/crypto/bytes';
import type { Signer } from '@yilian/ledger/transaction-codec';

type Role = 'patient' | 'doctor' | 'department';

export interface MemberPerson extends Connection {
  readonly doctor: Doctor;
}

export interface PatientPerson extends Connection {
  readonly patient: Patient;
}

/** Gives people keys, connections and certificates of one consortium. */
export class People {
  readonly platform: Platform;
  readonly #consortium: DemoConsortium;
  readonly #used: Set<string> = new Set();

  constructor(platform: Platform, consortium: DemoConsortium) {
    this.platform = platform;
    this.#consortium = consortium;
  }

  /** @param options.urls other addresses for nodes by name: somebody in the middle */
  connect(
    options: Partial<Pick<NetworkOptions, 'timeoutMs' | 'retries' | 'onLie'>> & {
      readonly urls?: ReadonlyMap<string, string>;
      /** Only these nodes. */
      readonly only?: readonly string[];
    } = {},
  ): Connection {
    const { urls, only, ...rest } = options;
    const nodes = this.#consortium.nodes
      .filter(({ name }) => only === undefined || only.includes(name))
      .map((node) => ({ ...node, url: urls?.get(node.name) ?? node.url }));
    return connectToDemo(this.platform, { ...this.#consortium, nodes }, rest);
  }

  /** A one-time secret, as the registration centre hands it out in person. */
  #secret(role: Role, institution: string | null): Uint8Array {
    const ticket = this.#consortium.enrolmentSecrets.find(
      (each) =>
        each.role === role && each.institution === institution && !this.#used.has(each.secret),
    );
    if (ticket === undefined) throw new Error(`no enrolment secret is left for a ${role}`);
    this.#used.add(ticket.secret);
    return fromHex(ticket.secret);
  }

  async enrolMember(
    role: 'doctor' | 'department',
    institution: string,
    name: string,
  ): Promise<MemberPerson> {
    const { network, reader } = this.connect();
    const keyring = createMemberKeyring({
      chainId: network.anchor.chainId,
      role,
      institution,
      operator: institution,
      name,
      randomBytes: this.platform.randomBytes,
    });
    const enrolled = await enrolMember(network, reader, keyring, {
      secret: this.#secret(role, institution),
      licence: `licence of ${name}`,
    });
    return { network, reader, doctor: createDoctor(network, reader, createKeyringSlot(enrolled)) };
  }

  async enrolPatient(identity: string): Promise<PatientPerson> {
    const { network, reader } = this.connect();
    const keyring = createPatientKeyring({ ...this.platform, chainId: network.anchor.chainId });
    const patient = createPatient(network, reader, createKeyringSlot(keyring));
    await patient.enrol({ identity, secret: this.#secret('patient', null) });
    return { network, reader, patient };
  }

  /** The same keys on another connection. */
  secondDevice(patient: Patient, urls: ReadonlyMap<string, string>): Patient {
    const { network, reader } = this.connect({ urls });
    return createPatient(network, reader, patient.keyring);
  }

  /** Somebody with keys and no certificate. */
  stranger(): PatientPerson {
    const { network, reader } = this.connect();
    const keyring = createPatientKeyring({ ...this.platform, chainId: network.anchor.chainId });
    return { network, reader, patient: createPatient(network, reader, createKeyringSlot(keyring)) };
  }

  /** A signing key that no certificate names. */
  strangerSigner(): Signer {
    return signerOf(this.platform.randomBytes(32));
  }

  /** A device that knows nothing but K_patient and a. */
  recoverDevice(kit: Uint8Array): PatientPerson {
    const { network, reader } = this.connect();
    const patient = createPatient(network, reader, createKeyringSlot(importRecoveryKit(kit)));
    return { network, reader, patient };
  }
}
