import asyncio, json
from tests.house import *
async def test_x(house):
    api=house.api
    r=await api.post("/sessions", json={"amount":1000,"currency":"JPY","return_url":"https://shop.example/x?a=1#f"})
    print(r.status_code, json.dumps(r.json(),indent=1)[:6000])
    sid=r.json()["id"]
    r=await house.publishable.get(f"/sessions/{sid}")
    print(r.status_code, list(r.json()))
    r=await house.publishable.post(f"/sessions/{sid}/pay", json={"payment_details":card("4123111111111000")})
    print(r.status_code, r.text)
    r=await house.publishable.post(f"/sessions/{sid}/pay", json={"payment_details":card()})
    print(r.status_code, r.text)
    r=await house.publishable.post(f"/sessions/{sid}/pay", json={"payment_details":card()})
    print(r.status_code, r.text)
    for mode in ("customer","customer_payment"):
        r=await api.post("/sessions", json={"mode":mode,"amount":1000,"currency":"JPY","external_customer_id":"u1","email":"a@example.com"})
        sid=r.json()["id"]; print(r.json()["customer_id"], r.json()["payment_methods"])
        r=await api.post(f"/sessions/{sid}/pay", json={"payment_details":await api.token()})
        print(r.status_code, r.text)
        r=await api.post(f"/sessions/{sid}/cancel"); print(r.status_code, r.text)
        r=await api.get(f"/sessions/{sid}"); print(r.status_code, r.json()["status"])
    print(await api.events())
