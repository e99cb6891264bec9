import Image from 'next/image'

/** Rendered anew for every request, as a page that shows prices or stock is. `bench:ssr` measures it. */
export const dynamic = 'force-dynamic'

/** About 10 ms of CPU. */
const PRODUCTS = 50

export default async function Page() {
  const now = Date.now()
  const products = Array.from({ length: PRODUCTS }, (_, id) => ({
    id,
    name: `Product ${id}`,
    price: ((now + id * 7919) % 100_000) / 100,
    tags: ['new', 'sale', 'popular'].slice(0, (id + now) % 4),
  }))
  return (
    <main>
      <h1>Catalog</h1>
      <ul>
        {products.map((product) => (
          <Product key={product.id} {...product} />
        ))}
      </ul>
    </main>
  )
}

function Product({ id, name, price, tags }) {
  return (
    <li id={`product-${id}`}>
      <Image src="/photo.jpg" alt={name} width={320} height={240} />
      <h2>{name}</h2>
      <p>{price.toLocaleString('en', { style: 'currency', currency: 'EUR' })}</p>
      <ul>
        {tags.map((tag) => (
          <li key={tag}>{tag}</li>
        ))}
      </ul>
    </li>
  )
}
