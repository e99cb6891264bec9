import Image from 'next/image'

export default function Classic() {
  return (
    <main>
      <h1>Pages Router</h1>
      <Image alt="A photograph" src="/photo.jpg" width={640} height={480} />
    </main>
  )
}
