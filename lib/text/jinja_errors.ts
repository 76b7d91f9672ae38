/** What goes wrong while a template runs; ChatTemplate makes ERR_TEMPLATE of it, with the template's name. */
export class TemplateFault extends Error {
  constructor(
    message: string,
    readonly hint = 'Check chat_template.jinja, or chat_template in tokenizer_config.json.',
    readonly details: Record<string, unknown> = {},
  ) {
    super(message)
  }
}

/** A template asked for more than it may have. */
export function limitFault(what: string, limit: string): TemplateFault {
  const hint =
    'A template of a published model stays far below. If you trust this one, shorten the conversation.'
  return new TemplateFault(`asks for ${what} than the limit of ${limit}`, hint, { limit })
}
