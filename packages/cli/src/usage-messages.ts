/** What is wrong with a command line, in English and Chinese. Options, paths and names stay as they are. */
export const USAGE_MESSAGES = {
  badInput: { en: 'what was given cannot be read', zh: '所给内容无法识别' },
  badOptions: { en: 'the options are wrong', zh: '选项有误' },
  noCommand: { en: 'there is no command {name}', zh: '没有命令 {name}' },
  noAction: { en: '{command} has no action {action}', zh: '{command} 没有操作 {action}' },
  optionMissing: { en: '--{name} is missing', zh: '缺少 --{name}' },
  argumentMissing: { en: '{name} is missing', zh: '缺少 {name}' },
  notWhole: { en: '--{name} is a whole number', zh: '--{name} 应为整数' },
  notHex: {
    en: '{what} is {digits} hexadecimal digits',
    zh: '{what} 应为 {digits} 位十六进制数字',
  },
  notOneOf: { en: '--{name} is one of: {values}', zh: '--{name} 应为以下之一：{values}' },
  notKeyringName: { en: '"{name}" is no name of a keyring', zh: '"{name}" 不能作为密钥环名称' },
  noKeyring: { en: 'there is no keyring {name}', zh: '没有密钥环 {name}' },
  keyringExists: { en: 'keyring {name} exists', zh: '密钥环 {name} 已存在' },
  keyringTaken: {
    en: 'keyring {name} exists: choose a new name by --as',
    zh: '密钥环 {name} 已存在：请用 --as 指定新名称',
  },
  notPatient: { en: "{name} is not a patient's keyring", zh: '{name} 不是患者的密钥环' },
  notMember: { en: "{name} is not a member's keyring", zh: '{name} 不是成员的密钥环' },
  noRecoveryKit: { en: 'only patients have a recovery kit', zh: '只有患者有恢复包' },
  noConsortium: { en: 'no consortium is configured', zh: '尚未连接联盟' },
  isDamaged: { en: '{path} is damaged', zh: '{path} 已损坏' },
  badCost: {
    en: 'YILIAN_PASSPHRASE_COST is memoryKiB,passes,lanes',
    zh: 'YILIAN_PASSPHRASE_COST 的格式为 memoryKiB,passes,lanes',
  },
  noPassphrase: { en: 'no passphrase was given', zh: '没有输入口令' },
  unreadable: { en: '{path} cannot be read', zh: '无法读取 {path}' },
  notJson: { en: '{path} is no JSON', zh: '{path} 不是 JSON' },
  unreadableJson: {
    en: '{path} cannot be read, or is no JSON',
    zh: '无法读取 {path}，或者它不是 JSON',
  },
  isMissing: { en: '{path} does not exist', zh: '{path} 不存在' },
  describesNoConsortium: { en: '{path} describes no consortium', zh: '{path} 不是联盟的描述文件' },
  neitherFileNorUrl: {
    en: '{place} is neither a file nor an http address',
    zh: '{place} 既不是文件，也不是 http 地址',
  },
  noRegulatorInGenesis: {
    en: '{home}: the genesis names no regulator',
    zh: '{home}：创世文件没有指定监管中心',
  },
  badPersonName: {
    en: '--name is a name of at most 128 characters',
    zh: '--name 应为不超过 128 个字符的姓名',
  },
  badInstitution: {
    en: '--institution is the short name of an institution',
    zh: '--institution 应为机构的短名称',
  },
  notTheRegulator: {
    en: '--node is not the folder of the regulator',
    zh: '--node 不是监管中心的目录',
  },
  fromTwice: {
    en: '--from is needed at least twice: nodes of different operators',
    zh: '--from 至少需要两个：不同运营方的节点',
  },
  noRequest: { en: 'no request {id} is in the inbox', zh: '收件箱中没有请求 {id}' },
  nothingNarrower: {
    en: 'say what shall be narrower: --until, --days, --record or --label',
    zh: '请说明要缩小的范围：--until、--days、--record 或 --label',
  },
  badSection: { en: '--section is PATH=FILE', zh: '--section 的格式为 PATH=FILE' },
  noContent: {
    en: '--bundle FILE or --section PATH=FILE is missing',
    zh: '缺少 --bundle FILE 或 --section PATH=FILE',
  },
  oneAmendment: { en: 'an amendment is one record', zh: '一次更正只能是一份病历' },
  noTransaction: { en: 'no transaction {id} is final', zh: '没有已确认的交易 {id}' },
} as const;

export type UsageMessageName = keyof typeof USAGE_MESSAGES;
