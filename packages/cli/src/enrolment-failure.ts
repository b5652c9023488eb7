/** What an operator reads when a hospital could not be prepared, enrolled or joined; `{place}`: file or folder. */
import type { EnrolmentError, EnrolmentErrorCode } from '@yilian/node/network/enrolment-error';
import type { Language } from './messages.ts';

/** Names of exit-code.ts. */
type ExitName = 'usage' | 'refused' | 'verification';

interface Words {
  readonly en: string;
  readonly zh: string;
}

interface EnrolmentFailure {
  readonly exit: ExitName;
  readonly sentence: Words;
  readonly next: Words;
}

const ASK_FOR_IT_AGAIN: Words = {
  en: 'ask for the file again, over another way; your home is as it was',
  zh: '请通过其他途径重新索取该文件；本机目录未作改动',
};

export const ENROLMENT_FAILURES: Readonly<Record<EnrolmentErrorCode, EnrolmentFailure>> = {
  homeExists: {
    exit: 'usage',
    sentence: { en: '{place} exists already', zh: '{place} 已存在' },
    next: {
      en: 'keys are made once: go on with what is there, or choose another folder',
      zh: '密钥只生成一次：请继续使用已有目录，或选择其他目录',
    },
  },
  notPrepared: {
    exit: 'usage',
    sentence: {
      en: '{place} is no home that "yilian network prepare" made',
      zh: '{place} 不是由 yilian network prepare 生成的目录',
    },
    next: {
      en: 'name the folder that was prepared, with the keys.json and request.cbor of that day',
      zh: '请指定当初准备的目录，其中应有当时的 keys.json 和 request.cbor',
    },
  },
  answerMissing: {
    exit: 'usage',
    sentence: {
      en: '{place} waits for the consortium’s answer',
      zh: '{place} 尚在等待联盟的答复',
    },
    next: {
      en: 'give the consortium the request; when its answer is here, name it with --answer FILE',
      zh: '请将申请文件交给联盟；收到答复后用 --answer 文件 指定',
    },
  },
  badConsortium: {
    exit: 'verification',
    sentence: {
      en: '{place} names no network that can be joined',
      zh: '{place} 中没有可加入的网络',
    },
    next: {
      en: 'ask the consortium for its consortium.json again',
      zh: '请向联盟重新索取 consortium.json',
    },
  },
  requestUnreadable: {
    exit: 'usage',
    sentence: { en: '{place} is no enrolment request', zh: '{place} 不是加入申请' },
    next: {
      en: 'ask the hospital for the request.cbor of its home again',
      zh: '请向该医院重新索取其目录中的 request.cbor',
    },
  },
  requestAltered: {
    exit: 'verification',
    sentence: {
      en: '{place} was altered, or names keys that its maker does not hold',
      zh: '{place} 已被改动，或所列密钥并非申请方所有',
    },
    next: {
      en: 'enrol nobody by it; ask the hospital for its request again and compare the fingerprint by phone',
      zh: '请勿据此登记；请向该医院重新索取申请，并通过电话核对指纹',
    },
  },
  requestOtherChain: {
    exit: 'verification',
    sentence: { en: '{place} is a request for another chain', zh: '{place} 申请加入的是另一条链' },
    next: {
      en: 'give the hospital this network’s consortium.json; it prepares another home with it',
      zh: '请将本网络的 consortium.json 交给该医院，由其重新准备目录',
    },
  },
  fingerprintDiffers: {
    exit: 'verification',
    sentence: {
      en: 'the fingerprint of {place} is another one',
      zh: '{place} 的指纹与所给不符',
    },
    next: {
      en: 'enrol nobody by it: the file is not what the hospital made, or was heard wrongly; compare again by phone',
      zh: '请勿据此登记：文件并非该医院所作，或听写有误；请再次通过电话核对',
    },
  },
  notRegulator: {
    exit: 'usage',
    sentence: {
      en: '{place} has no key of this chain’s regulator',
      zh: '{place} 中没有本链监管方的密钥',
    },
    next: {
      en: 'only the regulator enrols: run this on its machine, with its home as --node',
      zh: '只有监管方可以登记：请在其机器上运行，并用 --node 指定其目录',
    },
  },
  nameTaken: {
    exit: 'refused',
    sentence: {
      en: 'the name in {place} belongs to another institution, or to an earlier request of this one',
      zh: '{place} 中的机构名已属于另一机构，或已有该机构更早的申请',
    },
    next: {
      en: 'the hospital takes another name; or, when its earlier keys are lost and never came on chain, remove its file from enrolments/ and enrol again',
      zh: '请该医院改名；若其早先的密钥已丢失且从未上链，请删除 enrolments/ 中的对应文件后重新登记',
    },
  },
  keyUsed: {
    exit: 'refused',
    sentence: {
      en: 'a key of {place} belongs to a member already',
      zh: '{place} 中的密钥已属于某个成员',
    },
    next: {
      en: 'put the hospital’s file back into the regulator’s enrolments/ when it was enrolled before; else prepare another home: every member has keys of its own',
      zh: '若该医院此前已登记，请将其文件放回监管方的 enrolments/；否则请重新准备目录：每个成员使用各自的密钥',
    },
  },
  answerUnreadable: {
    exit: 'usage',
    sentence: { en: '{place} is no answer of a consortium', zh: '{place} 不是联盟的答复' },
    next: ASK_FOR_IT_AGAIN,
  },
  answerForged: {
    exit: 'verification',
    sentence: {
      en: '{place} was altered, or not signed by this chain’s regulator',
      zh: '{place} 已被改动，或并非本链监管方签署',
    },
    next: ASK_FOR_IT_AGAIN,
  },
  answerOtherChain: {
    exit: 'verification',
    sentence: { en: '{place} is of another chain', zh: '{place} 属于另一条链' },
    next: ASK_FOR_IT_AGAIN,
  },
  answerForAnother: {
    exit: 'verification',
    sentence: {
      en: '{place} answers the request of another home',
      zh: '{place} 答复的是另一个目录的申请',
    },
    next: {
      en: 'name the home whose request was answered, or ask for the answer to this one',
      zh: '请指定对应申请的目录，或索取针对本目录的答复',
    },
  },
  answerExpired: {
    exit: 'refused',
    sentence: {
      en: '{place} is too old for this chain',
      zh: '{place} 对本链而言已过期',
    },
    next: {
      en: 'ask the regulator to run "yilian network enrol" with the same request again; keys and certificates stay',
      zh: '请监管方对同一申请再次运行 yilian network enrol；密钥和证书不变',
    },
  },
};

export function describeEnrolmentFailure(
  { code, place, message }: EnrolmentError,
  language: Language,
): {
  readonly exit: ExitName;
  readonly code: string;
  readonly message: string;
  readonly next: string;
  readonly detail: string;
} {
  const { exit, sentence, next } = ENROLMENT_FAILURES[code];
  return {
    exit,
    code,
    message: sentence[language].replace('{place}', () => place),
    next: next[language],
    detail: message,
  };
}
