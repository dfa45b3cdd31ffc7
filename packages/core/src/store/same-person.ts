/** Ids of one person: directories that sign people in commonly ignore the case of their letters. */
export function samePerson(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}
