/**
 * Text that cannot hide anything from whoever reads it.
 * @module
 */

// Control characters, and the Unicode formatting and look-invisible characters that hide or reorder text (Trojan Source, CVE-2021-42574).
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

/** Replaces characters that a terminal interprets or does not show by their code point. */
export function visible(text: string): string {
  return text.replace(hidden, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}
