// Makes commander's program of the table of verbs. Commander parses and helps; its failures become ours.
import { Command, CommanderError, Option as CommanderOption } from 'commander'
import { TongueforgeError } from '../errors'
import { VERSION } from '../version'
import type { Option, Verb } from './verb'
import { VERBS } from './verbs'

/** What the command line asks for. */
export interface Request {
  verb: Verb
  args: unknown[]
  values: Record<string, unknown>
}

/** Reads a command line. Undefined: help or the version was asked for and printed. Throws ERR_USAGE. */
export function readCommandLine(argv: string[]): Request | undefined {
  let request: Request | undefined
  const program = new Command('tongueforge')
    .description('Teach a chat model a new language without losing its manners, then make it small.')
    .version(VERSION)
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => {} }) // main.ts prints failures, in one shape
  for (const verb of VERBS) {
    const command = commandOf(verb, program)
    command.action((...all: unknown[]) => {
      const args = all.slice(0, verb.arguments.length)
      request = { verb, args, values: command.opts() }
    })
  }
  try {
    program.parse(argv, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return endOf(error)
    throw error
  }
  return request
}

function commandOf(verb: Verb, program: Command): Command {
  const command = program
    .command(verb.name)
    .description(verb.summary)
    .helpOption('-h, --help', 'show this help')
  command.addHelpText('before', examplesText(verb))
  for (const { name, description } of verb.arguments) command.argument(name, description)
  for (const option of verb.options) command.addOption(optionOf(option))
  return command.option('--quiet', 'no progress on stderr')
}

function examplesText({ examples }: Verb): string {
  return `Examples:\n${examples.map((example) => `  tongueforge ${example}\n`).join('')}`
}

function optionOf({ flags, description, parse, required }: Option): CommanderOption {
  const option = new CommanderOption(flags, description)
  const [flag = flags] = flags.split(' ')
  if (parse) option.argParser((text: string, previous: unknown) => parse(text, flag, previous))
  return required ? option.makeOptionMandatory() : option
}

// Help and version end the parsing the same way as mistakes do, with exit code 0.
function endOf(error: CommanderError): undefined {
  if (error.exitCode === 0) return undefined
  if (error.code === 'commander.help') {
    throw new TongueforgeError('ERR_USAGE', 'expected a command', {
      hint: 'npx tongueforge --help lists them',
    })
  }
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  throw new TongueforgeError('ERR_USAGE', message, {
    hint: suggestion?.replace(/^\(|\)$/g, '') ?? 'add --help to see what the command takes',
  })
}
