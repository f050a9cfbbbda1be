// The package has no types of its own.
declare module 'saslprep' {
  /** RFC 4013. Throws when the text holds what it prohibits. */
  export default function saslprep(text: string, options?: { allowUnassigned?: boolean }): string
}
