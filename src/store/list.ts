/** A page of a list. With a `cursor` there may be more: ask again with it. */
export interface List<Item> {
  items: Item[]
  cursor?: string
}
